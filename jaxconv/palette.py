"""The colours of every picture, as plain text: no plotting library is needed to know them.

The first four are those of Okabe and Ito ("Color Universal Design", 2008), darkened where white
letters stand on them; people with any kind of colour vision tell them apart, and no meaning rests
on colour alone.
"""

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#007A5A", "#A14D82"
INK, MUTED, LINES = "#1B2430", "#5B6672", "#DDE2E8"
COLOUR_CHANNELS = ("#C8193C", "#1E8E3E", "#1A56DB")  # red, green and blue of an image
PALE = "#B4BDC7"  # letters that only need to be there


def tint(colour: str, strength: float) -> str:
    """Blends white into `colour`; 1 is the colour itself.

    >>> tint("#0072B2", 0.5)
    '#80B8D8'
    """
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - part)):02X}" for part in channels)
