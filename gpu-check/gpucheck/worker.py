"""The process that a probe module runs in: reads calls as JSON lines on stdin, answers on what was stdout."""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path


def main(module_name):
    """Serves calls until stdin ends."""
    # The reply channel is kept apart: a library that prints on stdout must not garble it.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    sys.dont_write_bytecode = True
    module = None
    for line in sys.stdin:
        try:
            if module is None:
                module = importlib.import_module(f"gpucheck.probes.{module_name}")
            request = json.loads(line)
            reply = {"value": getattr(module, request["call"])(**request["args"])}
        except Exception as error:  # whatever a client library raises is this call's answer
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            reply = {"error": text[:800]}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(sys.argv[1])
