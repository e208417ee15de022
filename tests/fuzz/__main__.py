"""Fuzz one target with atheris, guided by coverage: `python -m tests.fuzz TARGET FOLDER [libFuzzer options]`.

FOLDER keeps what was found interesting, and a file `crash-…` for each input that broke a promise.
"""

import sys
from pathlib import Path


def main() -> None:
    import atheris  # type: ignore[import-untyped]

    name, folder = sys.argv[1], Path(sys.argv[2])
    with atheris.instrument_imports(include=["activitypub", "node.html"], enable_loader_override=False):
        from tests.fuzz import targets

    target = targets.TARGETS[name]
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [sys.argv[0], str(corpus), f"-artifact_prefix={corpus}/", "-max_len=65536", "-timeout=10", *sys.argv[3:]]
    atheris.Setup(options, lambda data: targets.attempt(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
