"""ASP.NET route templates as regular expressions."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

PARAMETER = re.compile(r"\{(\*{0,2})(\w+)((?::[^(){}:=?]+(?:\((?:[^{}]|\{\{|\}\})*?\))?)*)(?:=([^}?]*))?(\?)?\}")
CONSTRAINT = re.compile(r":([^(:]+)(?:\((.*?)\)(?=:|$))?")
GUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{32}"
NUMBER = r"[+-]?\d+(?:\.\d+)?"
PATTERNS = {"alpha": r"[a-zA-Z]*", "bool": r"(?i:true|false)", "guid": GUID, "required": r".+"}
PATTERNS |= {"decimal": NUMBER, "double": NUMBER, "float": NUMBER}
LARGEST = {"int": 2**31, "long": 2**63}
# The numbers of arguments that each may have.
MEASURES = {"length": (1, 2), "minlength": (1,), "maxlength": (1,), "min": (1,), "max": (1,), "range": (2,)}


class InvalidTemplate(ValueError):
    """The template is wrong, or uses what this host does not know."""


@dataclass(frozen=True)
class Route:
    template: str
    pattern: re.Pattern[str]
    constraints: tuple[tuple[str, str, str], ...]
    defaults: tuple[tuple[str, str], ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The route's values in a percent-encoded path, or None when it does not match."""
        found = self.pattern.fullmatch(decode_path(path))
        if not found:
            return None
        values = {name: value for name, value in found.groupdict().items() if value}
        for name, kind, argument in self.constraints:
            if name in values and not satisfies(values[name], kind, argument):
                return None
        return dict(self.defaults) | values


def decode_path(path: str) -> str:
    """Decode each segment; an encoded slash stays encoded, as in ASP.NET. One slash at the end means nothing."""
    segments = path.removeprefix("/").removesuffix("/").split("/")
    return "/".join(re.sub("/", "%2F", unquote(segment)) for segment in segments)


def compile_route(template: str) -> Route:
    """Compile a template without its leading slash; raises InvalidTemplate."""
    pattern = ""
    constraints: list[tuple[str, str, str]] = []
    defaults: list[tuple[str, str]] = []
    for position, segment in enumerate(template.split("/") if template else ()):
        expression, may_be_absent = compile_segment(segment, template, constraints, defaults)
        expression = "/" + expression if position else expression
        pattern += f"(?:{expression})?" if may_be_absent else expression
    for name, kind, argument in constraints:
        if not is_known(kind, argument):
            raise InvalidTemplate(f"{template!r} has a constraint this host does not know: {name}:{kind}({argument})")
    try:
        return Route(template, re.compile(pattern, re.IGNORECASE | re.DOTALL), tuple(constraints), tuple(defaults))
    except re.error as error:
        raise InvalidTemplate(f"{template!r}: {error}") from None


def compile_segment(
    segment: str, template: str, constraints: list[tuple[str, str, str]], defaults: list[tuple[str, str]]
) -> tuple[str, bool]:
    """The expression of one segment, and whether the segment may be absent."""
    expression, at, may_be_absent = "", 0, False
    for parameter in PARAMETER.finditer(segment):
        stars, name, constraint_text, default, optional = parameter.groups()
        expression += literal(segment[at : parameter.start()], template)
        at = parameter.end()
        constraints += [(name, found[1].lower(), found[2] or "") for found in CONSTRAINT.finditer(constraint_text)]
        if default is not None:
            defaults.append((name, default))
        whole = parameter.group() == segment
        may_be_absent = whole and bool(stars or optional or default is not None)
        expression += f"(?P<{name}>{'.*' if stars else '[^/]+'})"
    return expression + literal(segment[at:], template), may_be_absent


def literal(text: str, template: str) -> str:
    if "{" in text.replace("{{", "") or "}" in text.replace("}}", ""):
        raise InvalidTemplate(f"{template!r} has a brace that this host cannot read")
    return re.escape(text.replace("{{", "{").replace("}}", "}"))


def is_known(kind: str, argument: str) -> bool:
    if kind in MEASURES:
        parts = argument.split(",")
        return len(parts) in MEASURES[kind] and all(re.fullmatch(r"\s*-?[0-9]+\s*", part) for part in parts)
    return kind in PATTERNS or kind in LARGEST or kind == "regex"


def satisfies(value: str, kind: str, argument: str) -> bool:
    """Whether a route value meets an inline constraint such as `int`, `range(1,5)` or `regex(^a)`."""
    if kind in PATTERNS:
        return re.fullmatch(PATTERNS[kind], value) is not None
    if kind == "regex":
        doubled = argument.replace("{{", "{").replace("}}", "}")
        return re.search(doubled, value, re.IGNORECASE) is not None
    number = int(value) if re.fullmatch(r"[+-]?[0-9]+", value) else None
    if kind in LARGEST:
        return number is not None and -LARGEST[kind] <= number < LARGEST[kind]
    bounds = [int(part) for part in argument.split(",")]
    measure = len(value) if "length" in kind else number
    if measure is None:
        return False
    if kind in ("length", "range"):
        return bounds[0] <= measure <= bounds[-1]
    return measure >= bounds[0] if kind.startswith("min") else measure <= bounds[0]
