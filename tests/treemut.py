#!/usr/bin/env python3
"""Random trees for the tests of increments.

treemut.py make DIR SEED      fill DIR
treemut.py mutate DIR SEED    change it at random
treemut.py compare A B        differences, 1 where there are some
"""
import os
import random
import shutil
import stat
import sys

NAMES = [b"a", b"b", b"c", b"d", b"e f", b"-C", b"new\nline", b"*", b"%s",
         b".hid", b"\xc3\xa9", b"\xff\xfe", b"back\\slash", b"'q\"", b"x" * 200]
ROOT = os.geteuid() == 0


def walk(top):
    dirs, rest = [top], []
    for d, names, files in os.walk(top):
        for n in names:
            p = os.path.join(d, n)
            (rest if os.path.islink(p) else dirs).append(p)
        rest += [os.path.join(d, n) for n in files]
    return sorted(dirs), sorted(rest)


def gone(p):
    if os.path.islink(p) or not os.path.isdir(p):
        if os.path.lexists(p):
            os.unlink(p)
    else:
        shutil.rmtree(p)


def touch(r, p):
    """A modification time of long ago or to come, below a second too."""
    t = r.choice([1, 10**9, 1893456000, 1700000000]) * 10**9 + r.randrange(10**9)
    os.utime(p, ns=(t, t), follow_symlinks=False)


def make(r, p):
    """Something new at p, whatever was there."""
    gone(p)
    kind = r.randrange(10)
    if kind < 5:
        with open(p, "wb") as f:
            f.write(r.randbytes(r.choice([0, 1, 511, 512, 20000])))
    elif kind < 7:
        os.mkdir(p)
        for _ in range(r.randrange(4)):
            make(r, os.path.join(p, r.choice(NAMES)))
    elif kind < 9:
        os.symlink(r.choice([b"a", b"../d", b"/etc", b"nowhere", b".."]), p)
    else:
        os.mkfifo(p)
    if r.randrange(3) == 0:
        touch(r, p)


def step(r, top):
    dirs, rest = walk(top)
    some = rest + dirs[1:]
    new = os.path.join(r.choice(dirs), r.choice(NAMES))
    if r.randrange(3) == 0 or not some:
        return make(r, new)
    p = r.choice(some)
    what = r.randrange(8)
    if what == 0:
        gone(p)
    elif what == 1:
        make(r, p)
    elif what == 2:                      # to a new name, or over another
        if not (new + b"/").startswith(p + b"/") and not (p + b"/").startswith(new + b"/"):
            gone(new)
            os.rename(p, new)
    elif what == 3:                      # two change places
        q = r.choice(some)
        if not (q + b"/").startswith(p + b"/") and not (p + b"/").startswith(q + b"/"):
            t = os.path.join(top, b"tmp-swap")
            os.rename(p, t)
            os.rename(q, p)
            os.rename(t, q)
    elif what == 4 and os.path.isfile(p) and not os.path.islink(p):
        gone(new)
        if os.path.lexists(p):
            os.link(p, new)
    elif what == 5 and os.path.isfile(p) and not os.path.islink(p):
        with open(p, "ab") as f:
            f.write(b"more")
        touch(r, p)
    elif what == 6 and not os.path.islink(p):
        os.chmod(p, r.choice([0o644, 0o600, 0o755, 0o4755] if not os.path.isdir(p)
                             else [0o755, 0o700, 0o1777]))
    elif ROOT:
        os.chown(p, r.randrange(3) * 1000, 5, follow_symlinks=False)


def facts(top):
    """What a restore must bring back, by name."""
    out = {}
    dirs, rest = walk(top)
    for p in dirs + rest:
        s = os.lstat(p)
        f = [stat.S_IFMT(s.st_mode), s.st_mtime_ns]
        if ROOT:
            f += [s.st_uid, s.st_gid]
        if stat.S_ISLNK(s.st_mode):
            f.append(os.readlink(p))
        else:
            f.append(stat.S_IMODE(s.st_mode))
        if stat.S_ISREG(s.st_mode):
            with open(p, "rb") as h:
                f.append(h.read())
        out[os.path.relpath(p, top)] = f
    return out


def compare(a, b):
    x, y = facts(a), facts(b)
    bad = 0
    for n in sorted(set(x) | set(y)):
        if x.get(n) != y.get(n):
            print(n, str(x.get(n))[:200], str(y.get(n))[:200])
            bad = 1
    return bad


def main():
    if sys.argv[1] == "compare":
        return compare(os.fsencode(sys.argv[2]), os.fsencode(sys.argv[3]))
    top, r = os.fsencode(sys.argv[2]), random.Random(int(sys.argv[3]))
    for _ in range(60 if sys.argv[1] == "make" else 25):
        if sys.argv[1] == "make":
            make(r, os.path.join(r.choice(walk(top)[0]), r.choice(NAMES)))
        else:
            step(r, top)
    return 0


sys.exit(main())
