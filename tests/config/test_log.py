"""What is logged, and that no secret is logged."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import RequestFactory

from accounts.models import User
from config.log import JsonFormatter, MaskFilter, Output, RequestLogMiddleware
from tests.conftest import PASSWORDS, Browser, link_in
from tests.running import Store

NEW = "a new and longer one"
BOTH = {"new_password1": NEW, "new_password2": NEW}


def lines(log: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


class Watched(Browser):
    """A browser that notes every secret it meets."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets = {NEW, "a wrong guess", configured.SECRET_KEY, *PASSWORDS.values()}

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        self.secrets.update(cookie.value for cookie in self.cookies.values() if len(cookie.value) > 8)
        return answer

    def follow(self, mail: Any, *spellings: Callable[[str], str]) -> str:
        """Opens the link of a mail in each of these spellings. Returns the link."""
        link = link_in(mail)
        self.secrets.update(part for part in link.split("/") if len(part) > 15)
        for spelling in spellings:
            self.get(spelling(link))
        return link


def test_whole_flows_leave_no_secret_in_the_log(
    admin: User, alice: User, mailbox: Callable[[str], list[Any]], store: Store, log: Any, capfd: Any
) -> None:
    """Goes through all flows, dead links and an outage, and then searches everything that was logged."""
    browser = Watched()
    log_in_and_change(browser, admin.email)
    register(browser, mailbox)
    link = reset(browser, alice.email, mailbox)
    browser.raise_request_exception = False
    store.kill()
    browser.get(link)
    browser.log_in(alice.email, NEW)
    said = capfd.readouterr()
    everything = log.getvalue() + said.out + said.err
    assert len(lines(log)) > 30
    assert len(browser.secrets) > 8
    assert [line for line in everything.splitlines() if any(secret in line for secret in browser.secrets)] == []


def log_in_and_change(browser: Watched, email: str) -> None:
    browser.log_in(email, "a wrong guess")
    browser.log_in("a wrong guess", "a wrong guess")
    browser.log_in(email)
    browser.submit("/accounts/password/", BOTH | {"old_password": "a wrong guess"})
    browser.submit("/accounts/password/", BOTH | {"old_password": PASSWORDS[email]})
    browser.submit("/admin/logout/")


def register(browser: Watched, mailbox: Callable[[str], list[Any]]) -> None:
    browser.submit("/accounts/register/", {"email": "carol@example.com", "name": "Carol"})
    opened = (str, lambda link: link.rstrip("/"), "/nothing{}".format, "{}?next=x".format)
    link = browser.follow(mailbox("carol@example.com")[0], *opened)
    browser.submit(link, BOTH)
    browser.get(link)


def reset(browser: Watched, email: str, mailbox: Callable[[str], list[Any]]) -> str:
    browser.submit("/accounts/password/reset/", {"email": email})
    opened = (str, "/nothing{}".format, lambda link: link.replace("/", "//"), lambda link: link.rstrip("/"))
    link = browser.follow(mailbox(email)[0], *opened)
    browser.post(link, BOTH)
    browser.get(link, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    browser.get(link, headers={"Host": link.split("/")[-2] + ".example"})
    browser.submit(browser.get(link)["Location"], BOTH)
    return link


def test_a_request_is_one_line_with_its_route(alice: User, browser: Browser, log: Any) -> None:
    browser.get("/accounts/password/reset/MQ/c0ffee-0123456789abcdef0123456789abcdef/")
    (line,) = lines(log)
    assert (line["logger"], line["method"], line["status"], line["address"]) == (
        "site.request",
        "GET",
        200,
        "127.0.0.1",
    )
    assert line["route"] == "accounts/password/reset/<uidb64>/<token>/"
    assert line["ms"] >= 0


def test_a_query_string_is_not_logged(db: None, browser: Browser, log: Any) -> None:
    browser.get("/nothing?password=hunter2&token=abc")
    assert "hunter2" not in log.getvalue()
    assert "token=abc" not in log.getvalue()


@pytest.mark.parametrize(
    "token",
    ["c0ffee-0123456789abcdef0123456789abcdef", "eyJlbWFpbCI6ImEifQ:1abcde:AbC_dEf-123", "a" * 32, "%65%79%4a" * 5],
)
@pytest.mark.parametrize("logger", ["django.request", "django.security.csrf", "gunicorn.error"])
def test_what_could_be_a_token_is_masked_in_the_lines_of_others(log: Any, logger: str, token: str) -> None:
    logging.getLogger(logger).warning("Not Found: %s", f"/accounts/password/reset/MQ/{token}/")
    assert token not in log.getvalue()
    assert "[masked]" in log.getvalue()


def test_a_short_path_stays_readable(db: None, browser: Browser, log: Any) -> None:
    browser.get("/accounts/nothing")
    assert "/accounts/nothing" in log.getvalue()


def test_a_trace_does_not_tell_what_the_exception_quoted(log: Any) -> None:
    token = "c0ffee-0123456789abcdef0123456789abcdef"
    try:
        raise LookupError(f"/reset/{token}/\n{token}")
    except LookupError:
        logging.getLogger("django.request").exception("x")
    (line,) = lines(log)
    assert token not in log.getvalue()
    assert "LookupError: /reset/[masked]/" in line["exc_info"]
    assert "test_a_trace_does_not_tell_what_the_exception_quoted" in line["exc_info"]


def test_an_error_is_written_down_with_its_trace_on_one_line(log: Any) -> None:
    try:
        raise ValueError("what\nhappened")
    except ValueError:
        logging.getLogger("django.request").exception("Internal Server Error: %s", "/x")
    (line,) = lines(log)
    assert "Traceback" in line["exc_info"]
    assert line["level"] == "ERROR"


def test_the_request_itself_is_never_written(log: Any) -> None:
    logging.getLogger("django.request").warning("x", extra={"request": "GET /?token=secret"})
    assert "secret" not in log.getvalue()


def test_the_server_logs_through_the_same_mask() -> None:
    from config import gunicorn

    config = gunicorn.logconfig_dict
    assert config["filters"]["mask"]["()"] == f"{MaskFilter.__module__}.{MaskFilter.__name__}"  # type: ignore[index]
    assert config["formatters"]["json"]["()"] == f"{JsonFormatter.__module__}.{JsonFormatter.__name__}"  # type: ignore[index]
    assert config["handlers"]["out"]["filters"] == ["mask"]  # type: ignore[index]


WALK = """
import logging.config, os, sys
for name in sys.argv[1:]:
    if name == "gunicorn":
        from config import gunicorn
        logging.config.dictConfig(gunicorn.logconfig_dict)
    else:
        import django
        django.setup()
names = [name for name, found in logging.root.manager.loggerDict.items() if isinstance(found, logging.Logger)]
loggers = [logging.getLogger(name) for name in [*names, "a library that is not installed yet"]] + [logging.root]
print([found.name for found in loggers if not found.hasHandlers()], len(loggers))
"""


@pytest.mark.parametrize("configured_by", [("gunicorn",), ("django",), ("gunicorn", "django")], ids="+".join)
def test_no_logger_is_left_to_the_last_resort_of_logging(configured_by: tuple[str, ...]) -> None:
    """`logging.lastResort` writes plain text to standard error, unmasked and with tracebacks."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", WALK, *configured_by]
    result = subprocess.run(command, cwd=configured.BASE_DIR, env=environment, capture_output=True, text=True)
    without, found = result.stdout.rsplit(maxsplit=1)
    assert (without, result.stderr) == ("[]", "")
    assert int(found) > 3


def test_a_warning_of_python_is_a_line_of_the_log() -> None:
    code = "import django, warnings; django.setup(); warnings.warn('careful')"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=configured.BASE_DIR, env=environment, capture_output=True, text=True)
    (line,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (line["logger"], "careful" in line["message"], result.stderr) == ("py.warnings", True, "")


def line_of(answer_for: str, **request: Any) -> dict[str, Any]:
    """The log line of a request that passes only this middleware."""
    output, view = Output(io.StringIO()), RequestLogMiddleware(lambda request: HttpResponse(status=204))
    view.outputs = [output]
    view(RequestFactory().generic(answer_for, "/", **request))
    (line,) = lines(output.stream)
    return line


def test_the_line_of_a_request_has_the_fields_of_a_record_in_their_order(log: Any) -> None:
    line = line_of("GET", REMOTE_ADDR="2001:DB8::1")
    names = ("method", "route", "status", "ms", "address")
    logging.getLogger("site.request").info("request", extra={name: line[name] for name in names})
    (record,) = lines(log)
    assert [*line] == [*record]
    assert (line | {"at": ""}) == (record | {"at": ""})
    assert datetime.fromisoformat(line["at"]).utcoffset() == timedelta(0)
    assert (line["address"], line["route"]) == ("2001:db8::1", None)


@pytest.mark.parametrize("method", ['A"', "A\nB", "A\x1b[2J", "A\u2028é"])
def test_no_method_forges_a_line(method: str) -> None:
    assert line_of(method)["method"] == method.upper()


class Counted(io.StringIO):
    """A stream that notes each write, and whether another thread could have written meanwhile."""

    def __init__(self, lock: Any) -> None:
        super().__init__()
        self.writes: list[str] = []
        self.was_free: list[bool] = []
        self.lock = lock

    def write(self, text: str) -> int:
        self.writes.append(text)
        other = threading.Thread(target=self._try_to_write)
        other.start()
        other.join()
        return super().write(text)

    def _try_to_write(self) -> None:
        self.was_free.append(self.lock.acquire(blocking=False))
        if self.was_free[-1]:
            self.lock.release()


def test_a_line_is_one_write_and_no_other_thread_writes_meanwhile(db: None, browser: Browser, log: Any) -> None:
    output = next(handler for handler in logging.getLogger().handlers if isinstance(handler, Output))
    counted = Counted(output.lock)
    output.setStream(counted)
    browser.get("/healthz")
    logging.getLogger("site.security").info("another")
    assert [json.loads(text)["logger"] for text in counted.writes] == ["site.request", "site.security"]
    assert all(text.endswith("}\n") for text in counted.writes)
    assert counted.was_free == [False, False]


class Gone(io.StringIO):
    """A stream whose reader has closed it."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("stream", [Gone(), io.StringIO()], ids=["no reader", "closed"])
def test_a_log_that_cannot_be_written_fails_no_request(browser: Browser, log: Any, stream: io.StringIO) -> None:
    output = next(handler for handler in logging.getLogger().handlers if isinstance(handler, Output))
    output.setStream(stream)
    if not isinstance(stream, Gone):
        stream.close()
    assert browser.get("/healthz").status_code == 200
    output.setStream(log)
    assert browser.get("/healthz").status_code == 200
    assert len(lines(log)) == 1


def test_a_log_without_a_place_for_the_lines_of_requests_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler()])
    with pytest.raises(ImproperlyConfigured, match=r"config\.log\.Output"):
        RequestLogMiddleware(lambda request: HttpResponse())
