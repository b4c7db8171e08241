"""Which function cuGetProcAddress hands out: held against the exported symbols and against the file it comes from."""

import ctypes

# CUDA versions at which some driver entry point changed its ABI, and what clients ask for.
VERSIONS = (
    2000, 3010, 3020, 4000, 4010, 5000, 5050, 6000, 6050, 7000, 7050, 8000, 9000, 9020, 10000, 10010, 10020, 11000, 11010,
    11020, 11030, 11040, 11060, 11070, 11080, 12000, 12010, 12020, 12030, 12040, 12050, 12080, 12090, 13000,
)
FLAGS = {"default": 0, "legacy stream": 1, "per-thread stream": 2}
ENDINGS = [version + stream for version in ("", "_v2", "_v3", "_v4", "_v5") for stream in ("", "_ptds", "_ptsz")]

_state = {}


class DlInfo(ctypes.Structure):
    """Dl_info of dladdr(3)."""

    _fields_ = [
        ("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("symbol", ctypes.c_char_p), ("address", ctypes.c_void_p),
    ]


def initialise():
    """Loads libcuda and initialises it."""
    cuda = ctypes.CDLL("libcuda.so.1")
    code = cuda.cuInit(0)
    if code:
        raise RuntimeError(f"cuInit returned {code}")
    cuda.cuGetProcAddress_v2.argtypes = [
        ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_uint64, ctypes.POINTER(ctypes.c_int),
    ]
    _state["cuda"] = cuda


def _look_up(name, version, flags):
    """(error code, address, query result) of cuGetProcAddress_v2."""
    address, status = ctypes.c_void_p(), ctypes.c_int(-1)
    code = _state["cuda"].cuGetProcAddress_v2(name.encode(), ctypes.byref(address), version, flags, ctypes.byref(status))
    return code, address.value, status.value


def _exports(name):
    """Exported symbols of one base name, by address."""
    found = {}
    for ending in ENDINGS:
        try:
            address = ctypes.cast(getattr(_state["cuda"], name + ending), ctypes.c_void_p).value
        except AttributeError:
            continue
        found.setdefault(address, []).append(name + ending)
    return found


def resolve(names):
    """What each name resolves to by version and stream flag: exported names, `address not exported`, or the error.

    Only the versions at which the answer changes are listed."""
    facts = {}
    for name in names:
        exports = _exports(name)
        facts[name] = {"exported": sorted(symbol for symbols in exports.values() for symbol in symbols)}
        for label, flags in FLAGS.items():
            answers, last = {}, None
            for version in VERSIONS:
                code, address, status = _look_up(name, version, flags)
                if code or not address:
                    answer = f"error {code}, query result {status}"
                else:
                    answer = " = ".join(exports.get(address, ["address not exported"]))
                if answer != last:
                    answers[str(version)] = last = answer
            facts[name][label] = answers
    return facts


def origin(names, version):
    """The file that holds the function which cuGetProcAddress gives for each name, by base name; or the error."""
    libc = ctypes.CDLL(None)
    libc.dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(DlInfo)]
    files = {}
    for name in names:
        code, address, _status = _look_up(name, version, 0)
        info = DlInfo()
        if code or not address:
            files[name] = f"error {code}"
        elif libc.dladdr(address, ctypes.byref(info)) and info.file:
            files[name] = info.file.decode().rsplit("/", 1)[-1]
        else:
            files[name] = "no file"
    return files
