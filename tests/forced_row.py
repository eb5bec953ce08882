"""One row of the lowering table, taken wherever it is right."""

from jaxconv.ops.xla import dense, lowering

SMALL = dense.LEAST_MULTIPLY_ADDS


def force(monkeypatch, name):
    """Puts the row before all others, but for those without which XLA computes something else.

    Returns a list to which every choice of a row adds whether it was this one.
    """
    if name == "small":
        monkeypatch.setattr(dense, "LEAST_MULTIPLY_ADDS", SMALL)
    if name == "ragged":  # is right for any number of features, and few samples have many
        monkeypatch.setattr(dense, "is_slow_number", lambda *_: True)
    rows = {row.name: row for row in lowering.LOWERINGS}
    taken = []

    def applies(case):
        # The row for symbols is right for numbers, too, and "widened" in every jax.
        taken.append(name == "symbolic" or rows[name].applies(case._replace(jax_version=(0, 10))))
        return taken[-1]

    before = [] if name in ("cropped", "lengthened") else [rows["cropped"], rows["lengthened"]]
    if name not in ("line", "symbolic", "definition"):
        # A line of negative padding or two taps becomes an image before it is asked for those.
        before.insert(0, rows["line"])
    forced = rows[name]._replace(applies=applies)
    monkeypatch.setattr(lowering, "LOWERINGS", (*before, forced, *rows.values()))
    return taken
