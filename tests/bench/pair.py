#!/usr/bin/env python3
"""pair.py [--rounds N] [--want RATIO] [--cpu RATIO] [--mib N] WORK PEER OURS THEIRS

Time two shell commands against each other: run by turns, so that what slows
the machine slows both.  Prints one row of the table whose head --head prints:
how many times faster than the peer, and of both sides seconds, CPU seconds,
the peaks of memory of all processes together and of the largest.  A number
that misses what was wanted carries a "!".

As a module: measure(command) and compare(ours, theirs, rounds, clean).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time

HEAD = ("work", "against", "faster", "wanted", "seconds", "CPU s", "MiB, all",
        "MiB, largest", "MB/s")
ROW = "%-30s %-24s %7s %6s %15s %15s %15s %15s %6s"


def _stat(pid):
    """(session, peak KiB) of a process, or None."""
    try:
        with open("/proc/%s/stat" % pid) as f:
            session = int(f.read().rpartition(")")[2].split()[3])
        with open("/proc/%s/status" % pid) as f:
            for line in f:
                if line.startswith("VmHWM:"):
                    return session, int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return None


def _watch(session, stop, peaks):
    """Keep the peak of each process of a session, until told to stop."""
    while not stop.wait(0.05):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            seen = _stat(pid)
            if seen and seen[0] == session and int(pid) != session:
                peaks[pid] = max(peaks.get(pid, 0), seen[1])


def measure(command):
    """Run a shell command: wall and CPU seconds, MiB of all its processes."""
    peaks, stop = {}, threading.Event()
    start = time.monotonic()
    child = subprocess.Popen(["sh", "-c", command + "\nexit $?"], start_new_session=True,
                             stdin=subprocess.DEVNULL)
    if os.nice(0) != 0:
        # Linux counts it within a session only (sched(7), autogroup).
        try:
            with open("/proc/%d/autogroup" % child.pid, "w") as f:
                f.write(str(os.nice(0)))
        except OSError:
            pass
    watcher = threading.Thread(target=_watch, args=(child.pid, stop, peaks))
    watcher.start()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    stop.set()
    watcher.join()
    if child.returncode != 0:
        sys.exit("pair.py: status %d: %s" % (child.returncode, command))
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime,
            "mib": sum(peaks.values()) / 1024,
            "largest": max(peaks.values(), default=0) / 1024}


def compare(ours, theirs, rounds, clean=None):
    """Medians of both, and the ratio of their times."""
    def run(command):
        if clean:
            subprocess.run(["sh", "-c", clean], check=True)
        return measure(command)

    runs = [(run(ours), run(theirs)) for _ in range(rounds)]

    def middle(side, key):
        return statistics.median(r[side][key] for r in runs)

    res = {k: {"ours": middle(0, k), "peer": middle(1, k)}
           for k in ("wall", "cpu", "mib", "largest")}
    res["ratio"] = statistics.median(p["wall"] / o["wall"] for o, p in runs)
    return res


def both(pair, form="%.2f", missed=False):
    return (form + "%s : " + form) % (pair["ours"], "!" * missed, pair["peer"])


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n", 1)[0])
    ap.add_argument("--head", action="store_true")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--want", type=float, help="times faster")
    ap.add_argument("--cpu", type=float, help="most CPU seconds for one of the peer's")
    ap.add_argument("--mib", type=float, help="most MiB of our largest process")
    ap.add_argument("--share", type=float, help="most memory for one MiB of the peer's")
    ap.add_argument("--clean", help="command to run before each measurement")
    ap.add_argument("--bytes", type=int, help="bytes moved: show MB/s of ours")
    ap.add_argument("--json", action="store_true")
    ap.add_argument("words", nargs="*", metavar="WORK PEER OURS THEIRS")
    a = ap.parse_args()
    if a.head:
        print(ROW % HEAD, flush=True)
        return
    if len(a.words) != 4:
        ap.error("want four words")
    work, peer, ours, theirs = a.words
    measure(ours)                       # warm the page cache
    r = compare(ours, theirs, a.rounds, a.clean)
    if a.json:
        print(json.dumps(dict(r, work=work, peer=peer, want=a.want)))
        return
    cpu, mib = r["cpu"], r["mib"]
    print(ROW % (
        work, peer,
        "%.2f%s" % (r["ratio"], "!" * (a.want is not None and r["ratio"] < a.want)),
        "" if a.want is None else "%.2f" % a.want, both(r["wall"]),
        both(cpu, missed=a.cpu is not None and cpu["ours"] > a.cpu * cpu["peer"]),
        both(mib, "%.0f", a.share is not None and mib["ours"] > a.share * mib["peer"]),
        both(r["largest"], "%.0f", a.mib is not None and r["largest"]["ours"] > a.mib),
        "%.0f" % (a.bytes / r["wall"]["ours"] / 1e6) if a.bytes else ""), flush=True)


if __name__ == "__main__":
    main()
