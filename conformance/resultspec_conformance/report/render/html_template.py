"""The page of a report: its template, its style, and the script that adds buttons to its commands."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --accent: #1257a8 }
* { box-sizing: border-box }
body { font: 16px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 92em; padding: 0 1rem 4rem }
h1 { font-size: 1.5rem; overflow-wrap: anywhere } h2 { font-size: 1.25rem; margin-top: 2.5rem }
h3 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere } h4 { font-size: 1rem; margin: 1rem 0 .2rem }
a { color: var(--accent) } code, pre, .steps { font: .85rem/1.45 ui-monospace, monospace }
nav ol, nav ul { padding-left: 2.6em; margin: .3em 0 } nav a { overflow-wrap: anywhere }
nav li { margin: .25em 0 } nav summary { font-weight: bold }
article { border: 1px solid var(--line); border-radius: .5em; padding: 1em; margin: 1em 0 }
article:target, tr:target { outline: 2px solid var(--accent) }
.badge { border: 1px solid; border-radius: 1em; padding: 0 .6em; font-size: .8rem; white-space: nowrap }
.steps { list-style: none; padding: .6em; margin: .6em 0; background: var(--soft); overflow-wrap: anywhere }
.steps li { padding: .2em 0 .2em 1.4em; text-indent: -1.2em } .steps .when { opacity: .7 }
.steps .differs { background: #b0002018; outline: 1px solid #b0002066; font-weight: 600 } .steps .gap { opacity: .7 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1em; margin: .6em 0 }
dt { font-weight: 600 } dt a, dd a, td:first-child { white-space: nowrap } dd { margin: 0; overflow-wrap: anywhere }
.command { display: flex; gap: .5em; align-items: start; margin: .4em 0 }
.command code { background: var(--soft); padding: .3em .6em; max-height: 4.6em }
.command code { overflow-y: auto; overflow-wrap: anywhere }
.command button { font: inherit; font-size: .8rem; flex: none; cursor: pointer }
pre { background: var(--soft); padding: .8em; overflow-x: auto }
details details { margin-left: 1em } summary { cursor: pointer }
table { border-collapse: collapse; width: 100% }
td, th { border: 1px solid var(--line); padding: .25em .6em; text-align: left; vertical-align: top }
.violated, .failed { color: #b00020; font-weight: bold } .passed, .conformant { color: #00691f }
.not-tested, .inconclusive { color: #8a5a00 }
@media (prefers-color-scheme: dark) {
  :root { --accent: #8ab8f0 } .violated, .failed { color: #ff7b8b } .passed, .conformant { color: #6fd38a }
  .not-tested, .inconclusive { color: #f0b85a }
}
@media (min-width: 75em) {
  body { display: grid; grid-template-columns: minmax(0, 1fr) 20em; gap: 0 2.5em }
  header { grid-column: 1 / -1 } main > :first-child { margin-top: 0 } main { grid-column: 1; grid-row: 2 }
  nav { grid-column: 2; grid-row: 2; position: sticky; top: 1em; max-height: 95vh; overflow-y: auto; font-size: .9rem }
}
@media (max-width: 45em) {
  dl { display: block } dd { margin: 0 0 .4em }
  .stacked tr:first-child { display: none } .stacked td { display: inline; border: 0; padding: 0 .5em 0 0 }
  .stacked tr { display: block; border-top: 1px solid var(--line); padding: .5em 0 }
  .stacked td.text { display: block }
}
"""

SCRIPT: Final = """
if (matchMedia('(max-width: 60em)').matches) document.querySelector('nav details').open = false;
for (const command of document.querySelectorAll('.command')) {
  const button = document.createElement('button');
  button.type = 'button'; button.textContent = 'Copy';
  button.onclick = async () => {
    const code = command.querySelector('code');
    try { await navigator.clipboard.writeText(code.textContent); button.textContent = 'Copied'; }
    catch { getSelection().selectAllChildren(code); button.textContent = 'Selected'; }
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  };
  command.prepend(button);
}
"""

PAGE: Final = """
{%- macro command(line) %}<div class="command"><code>{{ line }}</code></div>{% endmacro -%}
{%- macro ids(some) -%}
{% for one in some %}{% if one in judged %}<a href="#{{ one }}">{{ one }}</a>{% else %}{{ one }}{% endif -%}
{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro -%}
{%- macro shown(failure) %}
<p><a href="#{{ failure.requirement }}"><b>{{ failure.requirement }}</b></a>
<small>{{ failure|level }}, class {{ failure["class"] }}, {{ failure.severity }}
{%- if failure.known %}, known{% elif failure.shared %}, shared with the baseline{% endif -%}
, found by {{ failure.check }}</small><br>{{ failure.statement }}<br>
<i>{{ failure.intent }}</i></p>
<ol class="steps">
{% for step in failure|steps %}
{%- if step.text %}<li{% if step.differs %} class="differs"{% endif %}>
<span class="when">{{ step.when }} {{ step.client }}</span> {{ step.text }}
{%- if step.differs %} <span class="badge violated">differs</span>{% endif %}
{% else %}<li class="gap">… {{ step.left_out }} more steps, which are in the report as JSON …
{% endif %}{% endfor -%}
</ol>
<dl>
{% for label, text in failure|findings %}<dt>{{ label }}<dd>{{ text|printable }}
{% endfor -%}
</dl>
{{ command(failure.replay.line) }}
{{ command("resultspec explain " ~ failure.requirement) }}
{%- if failure.script %}
<details><summary>Standalone script</summary><pre>{{ failure.script }}</pre></details>
{%- endif %}
{% endmacro -%}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>resultspec: {{ report.target|printable }}</title>
<style>{{ style|safe }}</style>
</head>
<body>
<header>
<h1>{{ report.target|printable }}: <span class="{{ report.verdict|replace(" ", "-") }}">{{ report.verdict }}</span></h1>
{% set new = report.causes|select("new")|list -%}
{% if new %}<p><b>{{ new|totals }}</b></p>{% endif %}
<p>resultspec {{ report.tool.version }}, specification {{ report.spec_version }}, started {{ report.started }},
{{ "%.1f"|format(report.duration) }} s, of which {{ "%.1f"|format(report.backend.seconds) }} s inside the backend,
seed {{ report.settings.seed }}{% if report.origin %}, {{ report.origin|printable }}{% endif %}.
{% if report|scope %}Selected: {{ report|scope|printable }}.{% endif %}</p>
{% if report|baseline %}<p>{{ report|baseline|printable }}</p>{% endif %}
{% if report|remarks %}<ul>{% for reason in report|remarks %}<li>{{ reason|printable }}{% endfor %}</ul>{% endif %}
</header>
<nav aria-label="Contents">
<details open><summary>Contents</summary>
{% if report.causes -%}
<ol>
{% for cause in report.causes -%}
<li><a href="#cause-{{ loop.index }}">{{ (cause|title)|replace("`", "")|truncate(100) }}</a> <small>{{ cause.severity }}
{%- if cause is not new %}, {{ "known" if cause.known else "shared" }}{% endif %}</small>
{% endfor -%}
</ol>
{%- endif %}
<ul><li><a href="#classes">Classes</a>{% if gaps %}<li><a href="#gaps">Not tested for other reasons</a>{% endif %}
<li><a href="#requirements">Requirements</a></ul>
</details>
</nav>
<main>
{% if report.causes %}<h2>Causes</h2>{% endif %}
{% for cause in report.causes %}
{% set first = report.failures[cause.failures[0]] %}
<article id="cause-{{ loop.index }}">
<h3>{{ loop.index }}. {{ cause.text|printable }} <span class="badge violated">{{ cause.severity }}</span>
{%- if cause is not new %} <span class="badge">{{ "known" if cause.known else "shared with the baseline" }}</span>
{%- endif %}</h3>
{% for reason in cause|reasons %}<p>{{ reason|printable }}</p>
{% endfor -%}
<dl>
<dt>violated<dd>{{ ids(cause.violated) }}
{% if cause.follows %}<dt>follows<dd>{{ ids(cause.follows) }}
{% endif %}
{%- if cause.not_tested %}<dt>not tested because of it<dd>{{ ids(cause.not_tested) }}
{% endif -%}
</dl>
{% if cause is new %}{{ shown(first) }}
{%- else %}<details><summary>The failure that shows it</summary>{{ shown(first) }}</details>{% endif %}
{%- if cause.failures|length > 1 %}
<details><summary>All other failures of this cause: {{ cause.failures|length - 1 }}</summary>
{% for position in cause.failures[1:] %}{% set other = report.failures[position] %}
<details><summary>{{ other.requirement }}, found by {{ other.check }} ({{ other.kind }})</summary>
{{ shown(other) }}</details>
{% endfor -%}
</details>
{%- endif %}
</article>
{% endfor %}
<h2 id="classes">Classes</h2>
<table>
<tr><th>class<th>verdict</tr>
{% for entry in report.classes -%}
<tr><td>{{ entry.name }}<td class="{{ entry.verdict|replace(" ", "-") }}">{{ entry.summary }}</tr>
{% endfor -%}
</table>
{% if gaps %}<h2 id="gaps">Not tested for other reasons</h2>
<dl>
{% for reason, some in gaps.items() %}<dt>{{ ids(some) }}<dd>{{ reason|printable }}
{% endfor -%}
</dl>{% endif %}
<h2 id="requirements">Requirements</h2>
<p><code>resultspec explain ID</code> says what a requirement is for, and which checks test it.</p>
<table class="stacked">
<tr><th>id<th>class<th>level<th>verdict<th>sentence, and the reason of the verdict</tr>
{% for entry in report.requirements|worst -%}
<tr id="{{ entry.id }}"><td>{{ entry.id }}<td>{{ entry["class"] }}<td>{{ entry|level }}
<td class="{{ entry.verdict|replace(" ", "-") }}">
{{- entry.verdict }}{% if entry.known %} (known){% elif entry.shared %} (shared){% endif -%}
<td class="text">{{ entry.statement }}
{%- if entry.id in causes %}<br><small>{% for number, cause in causes[entry.id] -%}
<a href="#cause-{{ number }}">cause {{ number }}</a>: {{ cause.text|printable }}{% if not loop.last %}; {% endif -%}
{% endfor %}</small>
{%- elif entry.reason %}<br><small>{{ entry.reason|printable }}</small>{% endif %}</tr>
{% endfor -%}
</table>
</main>
<script>{{ script|safe }}</script>
</body>
</html>
"""
