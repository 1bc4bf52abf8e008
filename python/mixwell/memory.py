"""Memory: what is asked for is counted first, and what cannot be had is an error with a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mixwell.errors import ResourceError

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

# What numpy says to sizes that no machine could have.
_TOO_BIG = ("array is too big", "Maximum allowed dimension")

# Requests below this are not looked at beforehand.
_SMALL = 1 << 28

_MEMINFO = Path("/proc/meminfo")
_PAGES = Path("/proc/self/statm")
_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def gibibytes(size: int) -> str:
    """A number of bytes as text.

    >>> gibibytes(3 << 30), gibibytes(1 << 20), gibibytes(1 << 62)
    ('3.0 GiB', '1.0 MiB', '4294967296 GiB')
    """
    if size < 1 << 30:
        return f"{size / (1 << 20):.1f} MiB"
    return f"{size / (1 << 30):.{1 if size < 1000 << 30 else 0}f} GiB"


def available() -> int | None:
    """Bytes that could be had, on systems that tell."""
    known = []
    with suppress(OSError, KeyError, ValueError):
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        known.append(1024 * sum(int(lines[name].split()[0]) for name in ("MemAvailable", "SwapFree")))
    with suppress(OSError, ValueError):
        known.append(int(_LIMIT.read_text()) - int(_USED.read_text()))
    with suppress(OSError, ValueError):
        if resource is not None:
            space = resource.getrlimit(resource.RLIMIT_AS)[0]
            if space != resource.RLIM_INFINITY:
                known.append(space - resource.getpagesize() * int(_PAGES.read_text().split()[0]))
    return min(known, default=None)


def check_room(size: int, what: str) -> None:
    """Refuse what is larger than all memory that could be had.

    Parameters
    ----------
    size
        Bytes.
    what
        What takes them, how large it is, and what to do; a sentence without its end.

    Raises
    ------
    ResourceError
        Naming both.
    """
    if size < _SMALL:
        return
    free = available()
    if free is not None and size > free:
        raise ResourceError(f"{what} needs {gibibytes(size)} of memory; {gibibytes(max(free, 0))} are free.")


@contextmanager
def memory_errors(what: str) -> Iterator[None]:
    """An allocation that fails as mixwell's own error, which says what it was for."""
    try:
        yield
    except ResourceError:
        raise
    except (MemoryError, ValueError) as error:
        if isinstance(error, ValueError) and not str(error).startswith(_TOO_BIG):
            raise
        detail = f": {error}" if str(error) else ""
        raise ResourceError(f"There is not enough memory for {what}{detail}.") from error
