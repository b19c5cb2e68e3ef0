"""Runs the workflow definitions of integrations/logic-apps: exactly the expressions and actions that they use.

https://learn.microsoft.com/azure/logic-apps/workflow-definition-language-functions-reference
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]
Http = Callable[[Json], tuple[int, Any]]
"""Sends a request: method, uri, headers, body, authentication, all evaluated; answers status and body."""

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|(\w+)|(\?\[|[\[\](),]))")
_EMBEDDED = re.compile(r"@\{((?:[^}']|'(?:[^']|'')*')*)\}")
_NET = {"yyyy-MM-ddTHH:mm:ssZ": "%Y-%m-%dT%H:%M:%SZ"}


class Failed(Exception):
    """An action failed; the text is its name."""


@dataclass
class Run:
    """One run: what the trigger got, what actions gave, and the clock."""

    parameters: Json
    http: Http
    now: datetime
    trigger: Any = None
    callback_url: str = ""
    outputs: Json = field(default_factory=dict)
    variables: Json = field(default_factory=dict)
    item: Any = None

    def functions(self) -> dict[str, Callable[..., Any]]:
        return {
            "parameters": lambda name: self.parameters[name],
            "triggerBody": lambda: self.trigger,
            "listCallbackUrl": lambda: self.callback_url,
            "outputs": lambda name: self.outputs[name],
            "body": lambda name: self.outputs[name],
            "variables": lambda name: self.variables[name],
            "item": lambda: self.item,
            "utcNow": lambda: self.now.isoformat(),
            "addDays": lambda time, days: (datetime.fromisoformat(time) + timedelta(days=days)).isoformat(),
            "startOfDay": lambda time, form: (
                datetime.fromisoformat(time).replace(hour=0, minute=0, second=0).strftime(_NET[form])
            ),
            "if": lambda condition, yes, no: yes if condition else no,
            "empty": lambda value: not value,
            "concat": lambda *parts: "".join(text_of(part) for part in parts),
            "encodeUriComponent": lambda text: quote(text, safe=""),
            "coalesce": lambda *values: next((value for value in values if value is not None), None),
            "length": len,
            "mul": lambda one, two: one * two,
            "div": lambda one, two: one // two,  # of whole numbers
            "greater": lambda one, other: one > other,
            "union": lambda one, two: [*dict.fromkeys([*one, *two])],
            "take": lambda items, count: items[:count],
        }

    def value(self, template: Any) -> Any:
        """A template with its expressions evaluated."""
        if isinstance(template, dict):
            return {name: self.value(inner) for name, inner in template.items()}
        if isinstance(template, list):
            return [self.value(inner) for inner in template]
        if not isinstance(template, str):
            return template
        if template.startswith("@") and not template.startswith("@{"):
            return self._expression(template[1:])
        return _EMBEDDED.sub(lambda match: text_of(self._expression(match[1])), template)

    def act(self, actions: Json) -> None:
        """Runs actions when what they run after has ended so; raises Failed where nothing takes a failure up."""
        ended: dict[str, str] = {}
        while waiting := [name for name in actions if name not in ended]:
            ready = [name for name in waiting if actions[name]["runAfter"].keys() <= ended.keys()]
            assert ready, f"{waiting} wait for each other"
            for name in ready:
                after = actions[name]["runAfter"].items()
                if not all(ended[before] in statuses for before, statuses in after):
                    ended[name] = "Skipped"
                    continue
                try:
                    self._act(name, actions[name])
                    ended[name] = "Succeeded"
                except Failed:
                    ended[name] = "Failed"
        for name, status in ended.items():
            heeded = any("Failed" in action["runAfter"].get(name, ()) for action in actions.values())
            if status == "Failed" and not heeded:
                raise Failed(name)

    def _act(self, name: str, action: Json) -> None:
        inputs: Any = action.get("inputs")
        match action["type"]:
            case "Compose":
                self.outputs[name] = self.value(inputs)
            case "Http":
                status, self.outputs[name] = self.http(self.value(inputs))
                if status >= 400:
                    raise Failed(name)
            case "Response":
                self.outputs["Response"] = self.value(inputs)
            case "InitializeVariable":
                self.variables |= {each["name"]: self.value(each["value"]) for each in inputs["variables"]}
            case "SetVariable":
                assert f"variables('{inputs['name']}')" not in inputs["value"], "Logic Apps refuses that"
                self.variables[inputs["name"]] = self.value(inputs["value"])
            case "Select":
                self.outputs[name] = [*self._select(self.value(inputs["from"]), inputs["select"])]
            case "Until":
                for _ in range(action["limit"]["count"]):
                    self.act(action["actions"])
                    if self.value(action["expression"]):
                        return
                raise Failed(name)
            case "If":
                [condition] = action["expression"]["and"]
                [(compare, operands)] = condition.items()
                left, right = self.value(operands)
                held = {"greater": left > right, "greaterOrEquals": left >= right}[compare]
                self.act(action["actions"] if held else action["else"]["actions"])
            case "Switch":
                chosen = self.value(action["expression"])
                cases = [each["actions"] for each in action["cases"].values() if each["case"] == chosen]
                self.act(cases[0] if cases else action["default"]["actions"])
            case other:
                raise AssertionError(f"{other} is not known here")

    def _select(self, items: list[Any], template: Any) -> Iterator[Any]:
        for self.item in items:
            yield self.value(template)

    def _expression(self, text: str) -> Any:
        tokens = [*_TOKEN.finditer(text)]
        assert "".join(token.group() for token in tokens).strip() == text.strip(), text
        value, at = self._parse(tokens, 0)
        assert at == len(tokens), text
        return value

    def _parse(self, tokens: list[re.Match[str]], at: int) -> tuple[Any, int]:
        string, number, word, _ = tokens[at].groups()
        at += 1
        if string is not None:
            return string.replace("''", "'"), at
        if number is not None:
            return int(number), at
        assert tokens[at][4] == "(", f"{word} is not called"
        given: list[Any] = []
        at += 1
        while tokens[at][4] != ")":
            argument, at = self._parse(tokens, at)
            given.append(argument)
            at += tokens[at][4] == ","
        value: Any = self.functions()[word](*given)
        at += 1
        while at < len(tokens) and tokens[at][4] in ("[", "?["):
            optional, member = tokens[at][4] == "?[", tokens[at + 1][1]
            value = None if value is None and optional else value.get(member)
            at += 3
        return value, at


def text_of(value: Any) -> str:
    return "" if value is None else str(value)
