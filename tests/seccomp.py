"""Run a command under a systemd SystemCallFilter: seccomp.py SET... -- COMMAND

SET is a set of systemd-analyze(1), such as @system-service; all other system
calls give EPERM.  libseccomp is systemd's own.
"""
import ctypes
import errno
import os
import subprocess
import sys

ERRNO = 0x00050000
ALLOW = 0x7FFF0000


def calls(name, seen):
    if name in seen:
        return
    seen.add(name)
    if name.startswith("@"):
        out = subprocess.run(["systemd-analyze", "syscall-filter", name],
                             check=True, capture_output=True, text=True).stdout
        for line in out.splitlines()[1:]:
            line = line.strip()
            if line and not line.startswith("#"):
                calls(line, seen)


at = sys.argv.index("--")
names = set()
for word in sys.argv[1:at]:
    calls(word, names)
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
ctx = ctypes.c_void_p(lib.seccomp_init(ERRNO | errno.EPERM))
for name in names:
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if not name.startswith("@") and number >= 0:
        if lib.seccomp_rule_add(ctx, ALLOW, number, 0) != 0:
            sys.exit("cannot allow " + name)
if lib.seccomp_load(ctx) != 0:
    sys.exit("cannot load the filter")
os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
