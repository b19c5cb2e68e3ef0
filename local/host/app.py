"""Loads function_app.py and reads from it the functions that this host can run."""

import importlib
import inspect
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

from azure.functions import FunctionRegister
from azure.functions.decorators.function_app import Function as AzureFunction

from local.host.ncrontab import InvalidSchedule, NotHere, Schedule, parse_schedule
from local.host.routes import InvalidTemplate, Route, compile_route
from local.host.settings import HostOptions, StartupError, connection_string, resolve

logger = logging.getLogger("host")


class LeftOut(Exception):
    """A function that the host starts without; the text says why."""


@dataclass(frozen=True)
class QueueTrigger:
    queue: str
    connection: str

    def __str__(self) -> str:
        return f"queueTrigger {self.queue}"


@dataclass(frozen=True)
class TimerTrigger:
    expression: str
    schedule: Schedule
    run_on_startup: bool
    use_monitor: bool

    def __str__(self) -> str:
        return f"timerTrigger {self.expression}"


@dataclass(frozen=True)
class HttpTrigger:
    methods: frozenset[str]
    route: Route

    def __str__(self) -> str:
        return f"httpTrigger [{','.join(sorted(self.methods)) or '*'}] /{self.route.template}"


Trigger = QueueTrigger | TimerTrigger | HttpTrigger


@dataclass(frozen=True)
class Retry:
    """How a timer's failed run is repeated at once; `count` -1 means without end."""

    count: int
    first: timedelta
    longest: timedelta


@dataclass(frozen=True)
class Function:
    name: str
    call: Callable[..., Any]
    parameter: str
    annotation: Any
    trigger: Trigger
    retry: Retry | None
    disabled: bool

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.call)


def load_functions(folder: Path, options: HostOptions, environment: Mapping[str, str]) -> list[Function]:
    """Import function_app.py of `folder` and index it, once; by name, the order in which HTTP routes are tried."""
    if not (folder / "function_app.py").is_file():
        raise StartupError(f"There is no function_app.py in {folder}. Start the host in the function app's folder.")
    sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module("function_app")
    except Exception as error:
        raise StartupError(describe_import_error(error, folder)) from error
    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        raise StartupError(
            f"function_app.py must define one azure.functions.FunctionApp at its top level, and it has {len(apps)}."
        )
    try:
        found = apps[0].get_functions()
    except ValueError as error:
        raise StartupError(f"function_app.py: {error}") from error
    functions = []
    for function in found:
        try:
            functions.append(read_function(function, options, environment))
        except LeftOut as error:
            logger.error("%s The host starts without it, as on Azure.", error)
    return sorted(functions, key=lambda function: function.name.lower())


def describe_import_error(error: Exception, folder: Path) -> str:
    """Where in the app, and what; frames of libraries help nobody here."""
    places = [
        f"{Path(frame.filename).relative_to(folder)} line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder) and "site-packages" not in frame.filename
    ]
    where = ", from ".join(reversed([place for place in places if not place.startswith("local")])) or "while read"
    hint = "Install what is in requirements.txt" if isinstance(error, ModuleNotFoundError) else "Correct this"
    return f"function_app.py cannot be imported: {type(error).__name__}: {error} ({where}). {hint} and start again."


def read_function(function: AzureFunction, options: HostOptions, environment: Mapping[str, str]) -> Function:
    name = str(function.get_function_name())
    binding = function.get_trigger()
    call = function.get_user_function()
    if binding is None:
        raise StartupError(f"Function {name} has no trigger.")
    others = [str(other.type) for other in function.get_bindings() if other is not binding and other.name != "$return"]
    parameters = list(inspect.signature(call).parameters)
    if others or parameters != [binding.name]:
        raise StartupError(
            f"Function {name} must have one parameter, {binding.name}, that of its trigger, and no other binding; "
            f"it has the parameters ({', '.join(parameters)}) and the other bindings ({', '.join(others)}). This local "
            "host gives no others and no context."
        )
    trigger = read_trigger(name, binding.get_dict_repr(), options, environment)
    return Function(
        name=name,
        call=call,
        parameter=binding.name,
        annotation=get_type_hints(call).get(binding.name),
        trigger=trigger,
        retry=read_retry(name, function.get_settings_dict("retry_policy"), trigger),
        disabled=any(
            environment.get(setting, "").lower() in ("true", "1")
            for setting in (f"AzureWebJobs.{name}.Disabled", f"AzureWebJobs_{name}_Disabled")  # the second on Linux
        ),
    )


def read_trigger(name: str, binding: dict[str, Any], options: HostOptions, environment: Mapping[str, str]) -> Trigger:
    where = f"Function {name}"
    match binding["type"]:
        case "queueTrigger":
            setting = binding.get("connection") or "AzureWebJobsStorage"
            connection_string(setting, environment)  # missing is an error of the start
            return QueueTrigger(resolve(binding["queueName"], environment, where).lower(), setting)
        case "timerTrigger":
            expression, schedule = read_schedule(where, binding["schedule"], environment)
            connection_string("AzureWebJobsStorage", environment)  # for the timer's lock and status
            use_monitor = binding.get("useMonitor") is not False
            return TimerTrigger(expression, schedule, bool(binding.get("runOnStartup")), use_monitor)
        case "httpTrigger":
            template = "/".join(filter(None, (options.route_prefix, str(binding.get("route") or name).strip("/"))))
            methods = frozenset(str(method).upper() for method in binding.get("methods") or ())
            try:
                return HttpTrigger(methods, compile_route(template))
            except InvalidTemplate as error:
                raise StartupError(f"{where} has an invalid route: {error}.") from None
        case other:
            raise StartupError(f"{where} has a {other}, which this local host does not have. Core Tools have it.")


def read_schedule(where: str, source: str, environment: Mapping[str, str]) -> tuple[str, Schedule]:
    """Raises LeftOut where Azure's host would start without the function."""
    try:
        expression = resolve(source, environment, where)
    except StartupError as error:
        raise LeftOut(str(error)) from None
    try:
        return expression, parse_schedule(expression)
    except NotHere as error:
        raise StartupError(f"{where}: {error}. Correct {source}.") from None
    except InvalidSchedule as error:
        raise LeftOut(f"{where} has an invalid NCRONTAB schedule: {error}. Correct {source}.") from None


def read_retry(name: str, policy: dict[str, Any] | None, trigger: Trigger) -> Retry | None:
    if not policy:
        return None
    if not isinstance(trigger, TimerTrigger):
        raise StartupError(f"Function {name} has a retry policy, which Azure supports for timers only. Remove it.")
    count = int(policy["max_retry_count"])
    if policy["strategy"] == "fixed_delay":
        delay = seconds_of(policy["delay_interval"])
        return Retry(count, delay, delay)
    return Retry(count, seconds_of(policy["minimum_interval"]), seconds_of(policy["maximum_interval"]))


def seconds_of(text: str) -> timedelta:
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
