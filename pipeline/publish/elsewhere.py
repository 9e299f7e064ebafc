"""A version in the object store where the job's tables lie, for those who read it there; its manifest comes last."""

from __future__ import annotations

from pathlib import Path

from pipeline.core.errors import InputError
from pipeline.core.objects import ObjectPath
from pipeline.versions import store


def put(version: Path, target: ObjectPath) -> None:
    """Send the files of a version that is not out yet.  Raises InputError where another one has its number there.

    It is sent before it is out here: a run that is killed in between sends it again.  One that is out is never sent, so what
    somebody deleted there stays away.
    """
    manifest, there = (version / store.MANIFEST).read_bytes(), target / store.MANIFEST
    try:
        if there.read_bytes() == manifest:
            return
    except FileNotFoundError:
        for name in store.read_manifest(version)["files"]:
            (target / name).upload(version / name)
        there.write_bytes(manifest)
    else:
        raise InputError(f"{target}: another version has this number there; move it away, or give one: --version")
