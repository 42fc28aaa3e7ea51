"""The report as JUnit XML: a test case for each requirement, in a suite for each class."""

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from resultspec_conformance.report.document import FailureEntry, Report, RequirementEntry, is_new
from resultspec_conformance.report.render.causes import because, causes_by_requirement
from resultspec_conformance.report.render.failures import failure_text

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_PROBLEMS = frozenset({"failed", "inconclusive"})


def xml_text(text: str) -> str:
    """Return a text in which characters that XML 1.0 does not allow are escaped."""
    return _NOT_XML.sub(lambda found: found.group().encode("unicode_escape", "surrogatepass").decode(), text)


def _scored(entry: RequirementEntry) -> bool:
    return entry["level"] == "MUST" and not entry["provisional"]


def _case(suite: Element, entry: RequirementEntry, failures: list[FailureEntry], why: str) -> None:
    """Add the test case of a requirement. `why`: the causes because of which it is violated, or was not tested."""
    case = SubElement(suite, "testcase", classname=f"resultspec.{entry['class']}", name=entry["id"], time="0")
    if entry["verdict"] == "violated" and is_new(entry) and _scored(entry):
        failures = list(filter(is_new, failures))
        failure = SubElement(case, "failure", message=xml_text(entry["statement"]), type=failures[0]["severity"])
        failure.text = xml_text("\n".join([why, *(failure_text(found) for found in failures)]))
    elif entry["verdict"] == "not tested" and entry["level"] != "MAY" and not entry["provisional"] and is_new(entry):
        SubElement(case, "error", message=xml_text(f"not tested: {why or entry['reason']}"), type="not tested")
    elif entry["verdict"] != "passed":
        reason = f"{entry['verdict']}: {entry['reason']}" if entry["reason"] else entry["verdict"]
        SubElement(case, "skipped", message=xml_text(reason))
    SubElement(case, "system-out").text = xml_text(
        f"{entry['statement']}\nChecks: {', '.join(entry['checks']) or 'none'}"
    )


def _counted(suite: Element) -> None:
    for plural, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(plural, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))


def render(report: Report) -> str:
    """Return the report as XML. A run without a verdict has an additional test case with the reason."""
    root = Element("testsuites", name="resultspec", time=str(report["duration"]))
    causes = causes_by_requirement(report)
    for klass in report["classes"]:
        suite = SubElement(root, "testsuite", name=f"resultspec.{klass['name']}", timestamp=report["started"][:-1])
        for entry in report["requirements"]:
            if entry["class"] == klass["name"]:
                found = [failure for failure in report["failures"] if failure["requirement"] == entry["id"]]
                _case(suite, entry, found, because(causes.get(entry["id"], [])))
        _counted(suite)
    if report["verdict"] in _PROBLEMS:
        suite = SubElement(root, "testsuite", name="resultspec.run", timestamp=report["started"][:-1])
        case = SubElement(suite, "testcase", classname="resultspec.run", name="verdict", time="0")
        SubElement(case, "error", message=xml_text(report["verdict"]), type=report["verdict"]).text = xml_text(
            "\n".join(report["reasons"])
        )
        _counted(suite)
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"
