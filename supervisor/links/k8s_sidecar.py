"""The variables of k8s-sidecar: objects by name into a folder, then a request or a script.

Objects are read by name here, so the label alone chooses none. Files with a user and a password are
the only ones that are read.
"""

from __future__ import annotations

from binascii import b2a_base64

from ..core.errors import UsageError
from ..options import secret_files
from .line import HELP as HELP_OPTION
from .line import ON, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .line import Texts

HELP = """\
usage: k8s-sidecar [--req-username-file FILE] [--req-password-file FILE]

Variables:
  RESOURCE_NAME  the objects, separated by commas: NAME, KIND/NAME or
                 NAMESPACE/KIND/NAME; needed, whatever LABEL is
  RESOURCE       the kind of a NAME: configmap (default) or secret
  NAMESPACE      the namespace of NAME and KIND/NAME (default: the pod's own)
  FOLDER         write the files here
  METHOD         LIST: write the files and exit
  REQ_URL, REQ_METHOD, REQ_USERNAME, REQ_PASSWORD, REQ_SKIP_TLS_VERIFY
                 send a request after a change (default method GET)
  SCRIPT         run this program after a change
  DEFAULT_FILE_MODE, KUBECONFIG, LOG_LEVEL, LOG_FORMAT, HEALTH_PORT

Refused: FOLDER_ANNOTATION, REQ_PAYLOAD, UNIQUE_FILENAMES, SKIP_TLS_VERIFY.
"""
_KINDS = ("configmap", "secret")
_ALL = "ALL"
_MOST_BEFORE = 2  # words before a name
# The option of each variable whose value is ours too, but for its case.
_OPTIONS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "FOLDER": ("configroot", str),
    "REQ_URL": ("reload_http", str),
    "REQ_METHOD": ("reload_http_method", str),
    "SCRIPT": ("reload_exec", str),
    "DEFAULT_FILE_MODE": ("file_mode", str),
    "HEALTH_PORT": ("listen", ":{}".format),
    "LOG_LEVEL": ("log_level", lambda text: text.lower().replace("critical", "error")),
    "LOG_FORMAT": ("log_format", lambda text: text.lower().replace("logfmt", "text")),
}
_SWITCHES = {"REQ_SKIP_TLS_VERIFY": "reload_http_insecure"}
_REFUSED = {
    "FOLDER_ANNOTATION": "annotations choose no folder; write RESOURCE_NAME and FOLDER, or use"
    " --configmap NAME:SUBDIR under the name supervisor",
    "REQ_PAYLOAD": "a request has no body; put the meaning into REQ_URL",
}
_REFUSED_SWITCHES = {
    "UNIQUE_FILENAMES": "files have the names of their keys; give the keys names of their own",
    "SKIP_TLS_VERIFY": "the API server's certificate is always verified; name its CA in KUBECONFIG",
}
_DEFAULTS = {"reload_http_method": "GET", "listen": ":8080", "log_format": "json"}
_FILES = {"--req-username-file": "REQ_USERNAME", "--req-password-file": "REQ_PASSWORD"}
_ENCODING = "REQ_BASIC_AUTH_ENCODING"


def read(argv: Sequence[str], environ: Mapping[str, str]) -> Line:
    """Raises UsageError."""
    login = {name: environ.get(name, "") for name in _FILES.values()}
    rest = list(argv)
    while rest:
        word, equals, path = rest.pop(0).partition("=")
        if word in ("-h", "--help"):
            return Line({HELP_OPTION: [(word, ON)]})
        if word not in _FILES:
            raise UsageError(f"unknown word {word!r} for k8s-sidecar; remove it")
        if not equals and not rest:
            raise UsageError(f"{word} needs a value")
        login[_FILES[word]] = _content(word, path if equals else rest.pop(0))
    _refuse(environ)
    given: Texts = {
        option: [(name, change(environ[name]))]
        for name, (option, change) in _OPTIONS.items()
        if environ.get(name)
    }
    given |= {option: [(name, ON)] for name, option in _SWITCHES.items() if _is_on(environ, name)}
    if environ.get("METHOD") == "LIST":
        given["once"] = [("METHOD", ON)]
    for kind, name in _objects(environ):
        given.setdefault(kind, []).append(("RESOURCE_NAME", name))
    if login["REQ_USERNAME"] and login["REQ_PASSWORD"]:
        header = _authorization(":".join(login.values()), environ.get(_ENCODING) or "latin1")
        given["reload_http_header"] = [("REQ_PASSWORD", header)]
    return Line(given, (), _DEFAULTS)


def _is_on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() == ON


def _content(word: str, path: str) -> str:
    try:
        return secret_files.value(path)
    except ValueError as error:
        raise UsageError(f"{word}: {error}") from error


def _refuse(environ: Mapping[str, str]) -> None:
    for name, why in _REFUSED.items():
        if environ.get(name):
            raise UsageError(f"{name} cannot be honoured: {why}")
    for name, why in _REFUSED_SWITCHES.items():
        if _is_on(environ, name):
            raise UsageError(f"{name} cannot be honoured: {why}")
    if not environ.get("FOLDER"):
        raise UsageError("FOLDER is missing: where the files are to be written")
    if not environ.get("RESOURCE_NAME"):
        raise UsageError(_without_names(environ))


def _without_names(environ: Mapping[str, str]) -> str:
    label = environ.get("LABEL", "")
    if not label:
        return "RESOURCE_NAME is missing: the objects, as configmap/NAME,secret/NAME"
    value = environ.get("LABEL_VALUE", "")
    selector = f"{label}={value}" if value else label
    return (
        f"LABEL {label!r} cannot be honoured: objects are read by name, with a role for these"
        " names; name them in RESOURCE_NAME, separated by commas, as"
        f" `kubectl get configmap,secret -l {selector} -o name` prints them"
    )


def _objects(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Kind and [namespace/]name of each object."""
    kind_of_all = environ.get("RESOURCE") or _KINDS[0]
    spaces = environ.get("NAMESPACE", "").split(",")
    if _ALL in spaces:
        raise UsageError("NAMESPACE ALL cannot be honoured: name the namespaces of the objects")
    for word in environ["RESOURCE_NAME"].split(","):
        *before, name = word.strip().split("/")
        kind = before[-1] if before else kind_of_all
        if len(before) > _MOST_BEFORE:
            raise UsageError(f"RESOURCE_NAME: {word!r} is not [[NAMESPACE/]KIND/]NAME")
        if kind not in _KINDS:
            raise UsageError(
                f"RESOURCE_NAME: {word!r} needs a kind, {' or '.join(_KINDS)}: {kind!r} is none"
            )
        for space in before[:-1] or spaces:
            yield kind, f"{space.strip()}/{name}" if space.strip() else name


def _authorization(login: str, encoding: str) -> str:
    try:
        data = login.encode(encoding)
    except (LookupError, UnicodeEncodeError) as error:
        raise UsageError(f"{_ENCODING} {encoding}: it cannot write user and password") from error
    return f"Authorization: Basic {b2a_base64(data, newline=False).decode()}"
