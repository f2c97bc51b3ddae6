"""The numbers and titles that Sphinx gave to figures, equations and pages, for the notebooks to show."""

import json
from pathlib import Path


def collect(env):
    """From every label to (what a reference to it reads, the page it is on)."""
    found = {}
    numbers = env.toc_fignumbers
    for name, (page, anchor, title) in env.domains["std"].labels.items():
        if page in env.found_docs:
            figure = numbers.get(page, {}).get("figure", {}).get(anchor)
            text = f"Fig. {'.'.join(map(str, figure))}" if figure else title
            found[name] = {"text": text, "page": page}
    for label, (page, number) in env.domains["math"].equations.items():
        numbered = numbers.get(page, {}).get("displaymath", {}).get(f"equation-{label}", (number,))
        found[label] = {"text": f"({'.'.join(map(str, numbered))})", "page": page}
    for page, title in env.titles.items():
        found[f"doc:{page}"] = {"text": title.astext(), "page": page}
    return found


def write(app, error):
    if error is None:
        path = Path(app.outdir).parent / "references.json"
        text = json.dumps(collect(app.env), indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text, encoding="utf8")


def setup(app):
    app.connect("build-finished", write)
