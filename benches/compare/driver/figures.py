"""From runs to figures: named values of each run, then median, spread, and the ratio to the base."""
import statistics

MIB = 1 << 20


def values(w, run):
    """The named figures of one good run. The first one is the workload's; smaller is better unless it is a rate."""
    seconds = run.get("secs") or 1
    found = _COUNTED[w.unit](w, run, seconds)
    if w.unit in ("GiB", "conn", "rtt", "ping") and w.workers == 1:
        found["generator's core, %"] = 100 * run["gen_cpu"] / seconds
    return {name: value for name, value in found.items() if value is not None}


def _bulk(w, run, seconds):
    cpu = run["cpu"] / w.units if "cpu" in run else None
    return {"CPU s/GiB": cpu, "GiB/s": w.units / seconds}


def _each(w, run, seconds):
    cpu = run["cpu"] * 1e6 / run["done"] if "cpu" in run else None
    found = {"CPU µs each": cpu, "each second": run["done"] / seconds}
    if w.names and "start_s" in run:
        found |= {"start, s": run["start_s"], "memory, MiB": run["mem1"]["pss"] / MIB, "peak, MiB": run["mem1"]["hwm"] / MIB}
    return found


def _idle(w, run, seconds):
    per = lambda before, after: (after - before) / w.units
    return {"bytes each": per(run["mem0"]["pss"], run["mem1"]["pss"]), "empty, MiB": run["mem0"]["pss"] / MIB,
            "slab, bytes each": per(0, run["kernel"]["slab"]), "TCP's, bytes each": per(0, run["kernel"]["tcp_mem"])}


def _ping(w, run, seconds):
    found = {"p50, µs": run["p50_us"], "p99, µs": run["p99_us"]}
    if "cpu" in run:
        found["CPU µs each"] = run["cpu"] * 1e6 / w.units
    return found


def _beside(w, run, seconds):
    return {"p99, µs": run["p99_us"], "p50, µs": run["p50_us"], "longest, µs": run["max_us"],
            "bulk GiB/s": run["bulk_gib_s"]}


def _reload(w, run, seconds):
    return {"echo p99, µs": run["p99_us"], "longest, µs": run["max_us"], "broken": run["broken"],
            "new ones failed": run["probe_fail"], "new ones served": run["probe_ok"],
            "grown, MiB": (run["mem1"]["pss"] - run["mem0"]["pss"]) / MIB, "processes at the end": run["mem1"]["processes"],
            "CPU s": run["cpu"]}


_COUNTED = {"GiB": _bulk, "conn": _each, "rtt": _each, "idle": _idle, "ping": _ping, "beside": _beside, "reload": _reload}


def summary(workloads, runs, base):
    """One dict for each workload, contestant and figure: median, min, max, n, and the median of the ratios to the base in
    the same round of the same run of this program."""
    lines = []
    for w in workloads:
        mine = [run for run in runs if run["workload"] == w.id]
        good = [(run, values(w, run)) for run in mine if "bad" not in run]
        reference = {(run["at"], run["round"]): found for run, found in good if run["who"] == base}
        for who in dict.fromkeys(run["who"] for run in mine):
            own = [((run["at"], run["round"]), found) for run, found in good if run["who"] == who]
            for name in dict.fromkeys(name for _, found in own for name in found):
                got = [(when, found[name]) for when, found in own if name in found]
                ratios = [value / reference[when][name] for when, value in got if reference.get(when, {}).get(name)]
                just = [value for _, value in got]
                lines.append({"workload": w.id, "title": w.title, "who": who, "figure": name,
                              "median": statistics.median(just), "min": min(just), "max": max(just), "n": len(just),
                              "ratio": statistics.median(ratios) if ratios else None, "likely": likely(ratios)})
    return lines


def likely(ratios):
    """Between which ratios the median of all that could be measured is, 19 times out of 20; of few nothing can be said."""
    count = len(ratios)
    if count < 12:
        return None
    lowest = int((count - 1.96 * count ** 0.5) / 2)
    return sorted(ratios)[lowest], sorted(ratios)[-1 - lowest]
