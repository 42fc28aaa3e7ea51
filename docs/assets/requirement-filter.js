// The page of all requirements gets a field and three lists that narrow it down to some of them.
"use strict";

function choice(label, values) {
  const select = document.createElement("select");
  select.setAttribute("aria-label", label);
  select.append(new Option(`any ${label}`, ""), ...values.map((value) => new Option(value, value)));
  return select;
}

function valuesOf(rows, column) {
  return [...new Set(rows.map((row) => row.cells[column].textContent))].sort();
}

function addFilter(place) {
  const rows = [...document.querySelectorAll(".requirements tbody tr")];
  const text = document.createElement("input");
  text.type = "search";
  text.placeholder = "an id, or words of the sentence";
  text.setAttribute("aria-label", "filter the requirements");
  const level = choice("level", valuesOf(rows, 1));
  const group = choice("class", valuesOf(rows, 2));
  const severity = choice("severity", place.dataset.severities.split(" "));
  const shown = document.createElement("output");

  function apply() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [level, group, severity].map((select) => select.value);
    for (const row of rows) {
      const content = row.textContent.toLowerCase();
      row.hidden =
        !words.every((word) => content.includes(word)) ||
        chosen.some((value, position) => value && row.cells[position + 1].textContent !== value);
    }
    for (const section of document.querySelectorAll("section.requirements")) {
      section.hidden = [...section.querySelectorAll("tbody tr")].every((row) => row.hidden);
    }
    shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  }

  place.className = "requirement-filter";
  place.append(text, level, group, severity, shown);
  place.addEventListener("input", apply);
  apply();
}

const place = document.getElementById("requirement-filter");
if (place) {
  addFilter(place);
}
