"""Markdown tables of a comparison."""


def number(value):
    """Three digits that count."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def spread(line):
    """Median, with the smallest and largest unless they are within 2 %."""
    if line["max"] - line["min"] <= 0.02 * abs(line["max"]):
        return number(line["median"])
    return f"{number(line['median'])} ({number(line['min'])}–{number(line['max'])})"


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def table(head, rows):
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)]) + "\n"


def main_figures(lines):
    """For each workload its first figure: {workload: {who: line}}."""
    found = {}
    for line in lines:
        of_this = found.setdefault(line["workload"], {})
        if not of_this or line["figure"] == next(iter(of_this.values()))["figure"]:
            of_this[line["who"]] = line
    return found


def _ratio(line):
    """The ratio to the base, and where it is likely to be if enough was measured to say."""
    if not line.get("ratio"):
        return "–"
    if not line["likely"]:
        return f"{line['ratio']:.2f}"
    return f"{line['ratio']:.3f} ({line['likely'][0]:.3f}–{line['likely'][1]:.3f})"


def _agreed(runs):
    """Versions and ciphers of TLS, and whose they were."""
    found = {}
    for run in runs:
        if tls := run.get("tls") or run.get("backend_tls"):
            found.setdefault(tls, {})[run["who"]] = True
    return ["Agreed on: " + "; ".join(f"{tls} ({', '.join(who)})" for tls, who in found.items()) + "\n"] if found else []


def details(workloads, lines, runs, base):
    """Every figure of every workload."""
    out = []
    for w in workloads:
        mine = [line for line in lines if line["workload"] == w.id]
        bad = [run for run in runs if run["workload"] == w.id and "bad" in run]
        if not mine and not bad:
            continue
        out.append(f"### {w.id}: {w.title}\n")
        out += _agreed([run for run in runs if run["workload"] == w.id])
        names = list(dict.fromkeys(line["figure"] for line in mine))
        rows = []
        for who in dict.fromkeys(line["who"] for line in mine):
            own = {line["figure"]: line for line in mine if line["who"] == who}
            rows.append([who, *(spread(own[name]) if name in own else "–" for name in names),
                         _ratio(own.get(names[0], {}))])
        if rows:
            out.append(table(["", *names, f"ratio to {base}"], rows))
        out += [f"{run['who']} failed: {run['bad']}\n" for run in bad]
        notes = {f"{run['who']}: {run['note']}\n" for run in runs if run["workload"] == w.id and "note" in run}
        out += sorted(notes)
        for who in dict.fromkeys(run["who"] for run in runs if run["workload"] == w.id):
            share = [run["ksoftirqd"] / run["cpu"] for run in runs
                     if run["workload"] == w.id and run["who"] == who and run.get("cpu") and run.get("ksoftirqd")]
            if share and sorted(share)[len(share) // 2] > 0.03:
                out.append(f"{who}: ksoftirqd took another {100 * sorted(share)[len(share) // 2]:.0f} %, not counted\n")
    return "\n".join(out)
