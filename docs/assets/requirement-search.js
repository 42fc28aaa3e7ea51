// A search for the id of a requirement has the page of that requirement as its first result.
//
// The search of the theme takes STATE-3 for the words STATE and 3, and then ranks a word that is rare above one that is
// meant. So the result is put at the head of its list here, in its form, and the theme takes it for one of its own.
"use strict";

const ID = /^\s*([a-z]{2,})[-\s]?([0-9]+)\s*$/i;
const SITE = new URL("..", document.currentScript.src);

async function sentences() {
  const answer = await fetch(new URL("assets/requirements.json", SITE));
  return answer.json();
}

function result(id, sentence) {
  const item = document.createElement("li");
  item.className = "md-search-result__item";
  item.dataset.requirement = id;
  const link = document.createElement("a");
  link.className = "md-search-result__link";
  link.href = new URL(`requirements/${id}/`, SITE);
  const article = document.createElement("article");
  article.className = "md-search-result__article md-typeset";
  // the key Enter follows the result with the highest score
  article.dataset.mdScore = String(Number.MAX_SAFE_INTEGER);
  const title = document.createElement("h1");
  title.textContent = id;
  const text = document.createElement("p");
  text.textContent = sentence;
  article.append(title, text);
  link.append(article);
  item.append(link);
  return item;
}

function addSearch(field, list) {
  let known = null;

  // the theme may have found the same page
  function sameResult(item) {
    const path = item.querySelector("a").pathname;
    return [...list.children].find((other) => other.querySelector("a")?.pathname === path);
  }

  async function update() {
    known ??= sentences();
    const found = await known;
    const match = ID.exec(field.value);
    const id = match ? `${match[1].toUpperCase()}-${match[2]}` : "";
    const present = list.querySelector("[data-requirement]");
    if (present && present === list.firstElementChild && present.dataset.requirement === id) {
      return;
    }
    present?.remove();
    if (id in found) {
      const first = result(id, found[id]);
      sameResult(first)?.remove();
      list.prepend(first);
    }
  }

  field.addEventListener("input", update);
  // the theme fills its list whenever the search has ended
  new MutationObserver(update).observe(list, { childList: true });
}

const field = document.querySelector("[data-md-component=search-query]");
const list = document.querySelector("[data-md-component=search-result] > ol");
if (field && list) {
  addSearch(field, list);
}
