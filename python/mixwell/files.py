"""Files that are written: asked about before the work, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mixwell.errors import DataError


def writable(path: str | os.PathLike[str]) -> Path:
    """A path that can be written to, as far as can be told without writing.

    Raises
    ------
    DataError
        If it is no path, its directory does not exist or takes no files, or it is a directory itself.
    """
    if not isinstance(path, (str, os.PathLike)) or isinstance(os.fspath(path), bytes):
        raise DataError(f"path must be the name of a file, not {path!r}.")
    target = Path(path)
    folder = target.parent
    try:
        os.stat(target)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (ValueError, OSError) as error:
        # A NUL character, or more characters than names of files have.
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"path={str(target)[:100]!r} cannot be written: {reason}.") from None
    if target.is_dir():
        raise DataError(f"path={str(target)!r} cannot be written: it is a directory; name a file in it.")
    if not folder.is_dir():
        raise DataError(f"path={str(target)!r} cannot be written: there is no directory {str(folder)!r}.")
    if not os.access(folder, os.W_OK | os.X_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise DataError(f"path={str(target)!r} cannot be written: permission denied.")
    return target


def write_whole(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> Path:
    """Write a file beside its place and move it there when complete: what was there stays until then.

    Raises
    ------
    DataError
        If it cannot be written; what was there is untouched.
    """
    target = writable(path)
    # A link stays one; devices and pipes have no other place to be written in.
    place = target.resolve()
    if place.exists() and not place.is_file():
        with place.open("wb") as stream:
            write(stream)
        return target
    beside = place.with_name(f".{place.name[:100]}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if place.exists():
            shutil.copymode(place, beside)
        beside.replace(place)
    except OSError as error:
        raise DataError(f"path={str(target)!r} cannot be written: {error.strerror or error}.") from error
    finally:
        beside.unlink(missing_ok=True)
    return target


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text in UTF-8, whole or not at all; see :func:`write_whole`."""
    return write_whole(path, lambda stream: stream.write(text.encode("utf-8", errors="replace")))
