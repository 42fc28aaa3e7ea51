"""The report as one HTML page without scripts and external resources."""

from jinja2 import Environment, StrictUndefined

from resultspec_conformance.report.document import Report, level_of, scope
from resultspec_conformance.report.plain_text import printable
from resultspec_conformance.report.render.failures import failure_text

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>resultspec: {{ report.target|printable }}</title>
<style>
body { font-family: sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; line-height: 1.4 }
table { border-collapse: collapse } td, th { border: 1px solid #999; padding: .2em .6em }
td, th { text-align: left; vertical-align: top }
pre { background: #8881; padding: .8em; overflow-x: auto }
.violated { color: #b00020; font-weight: bold } .passed, .conformant { color: #00691f } .not-tested { color: #8a5a00 }
:root { color-scheme: light dark }
@media (prefers-color-scheme: dark) {
  .violated { color: #ff7b8b } .passed, .conformant { color: #6fd38a } .not-tested { color: #f0b85a }
}
</style>
</head>
<body>
<h1>{{ report.target|printable }}: <span class="{{ report.verdict }}">{{ report.verdict }}</span></h1>
<p>resultspec {{ report.tool.version }}, specification {{ report.spec_version }}, started {{ report.started }},
{{ "%.1f"|format(report.duration) }} s, of which {{ "%.1f"|format(report.backend.seconds) }} s inside the backend,
seed {{ report.settings.seed }}{% if report.origin %}, {{ report.origin|printable }}{% endif %}.</p>
{% if report|scope -%}
<p>Selected: {{ report|scope|printable }}.</p>
{%- endif %}
<table>
<tr><th>class<th>verdict</tr>
{% for entry in report.classes -%}
<tr><td>{{ entry.name }}<td class="{{ entry.verdict|replace(" ", "-") }}">{{ entry.summary }}</tr>
{% endfor -%}
</table>
{% if report.reasons %}<ul>{% for reason in report.reasons %}<li>{{ reason|printable }}{% endfor %}</ul>{% endif %}
{% for failure in report.failures %}
<h2 id="{{ failure.requirement }}-{{ loop.index }}">{{ failure.requirement }}
 <small>{{ failure|level }}, {{ failure.severity }}{% if failure.known %}, known{% endif %}</small></h2>
<p>{{ failure.statement }}</p>
<p><i>{{ failure.intent }}</i></p>
<pre>{{ failure|timeline }}</pre>
{% if failure.script -%}
<details><summary>Standalone script</summary><pre>{{ failure.script }}</pre></details>
{%- endif %}
{% endfor %}
<h2>Requirements</h2>
<table>
<tr><th>id<th>class<th>level<th>verdict<th>reason<th>sentence</tr>
{% for entry in report.requirements -%}
<tr><td>{{ entry.id }}<td>{{ entry["class"] }}<td>{{ entry|level }}
<td class="{{ entry.verdict|replace(" ", "-") }}">
{{- entry.verdict }}{% if entry.known %} (known){% endif %}<td>{{ entry.reason|printable }}
<td>{{ entry.statement }}</tr>
{% endfor -%}
</table>
</body>
</html>
"""


def render(report: Report) -> str:
    """Return the report as a page; all external text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["printable"] = lambda text: printable(str(text), keep="\n")
    environment.filters["timeline"] = failure_text
    environment.filters["level"] = level_of
    environment.filters["scope"] = scope
    return environment.from_string(_PAGE).render(report=report) + "\n"
