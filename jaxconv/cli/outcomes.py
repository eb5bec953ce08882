"""What becomes of an error: one table of exit codes and lines, for training and every verb."""

from typing import NamedTuple

from jaxconv.errors import JaxconvError
from jaxconv.runs import job
from jaxconv.runs.signals import Stopped
from jaxconv.text import one_line

EXTRAS = {  # the packages that come with an extra of this one, by the names of their modules
    "tensorboardX": "tensorboard",
    "shtab": "completion",
} | dict.fromkeys(
    (
        "PIL",
        "albumentations",
        "array_record",
        "cv2",
        "flatbuffers",
        "importlib_resources",
        "jinja2",
        "matplotlib",
        "ml_collections",
        "optax",
        "orbax",
        "tensorflow_datasets",
        "tqdm",
    ),
    "train",
)


class Outcome(NamedTuple):
    """How the program ends."""

    exit_code: int
    line: str | None = None  # what to say; None where there is nobody to hear it


def outcome(error: BaseException) -> Outcome | None:
    """The first row that fits; None for a fault of the program's own, which keeps its traceback.

    Whoever knows more of what to do has added it to the error as a note.
    """
    match error:
        case Stopped():
            return Outcome(error.exit_code, _noted(error, "stopped at once"))
        case KeyboardInterrupt():
            return Outcome(130, "interrupted")
        case BrokenPipeError():  # the reader has seen enough, as `head` has
            return Outcome(141)
        case Exception() if job.is_loss(error):
            return Outcome(job.LOST, job.LOST_ANOTHER)
        case JaxconvError():
            return Outcome(error.exit_code, _noted(error, str(error)))
        case ModuleNotFoundError() if extra := EXTRAS.get((error.name or "").partition(".")[0]):
            line = f"{error.name} is not installed; pip install 'jaxconv[{extra}]'"
            return Outcome(2, line)
        case Exception() if is_out_of_memory(error):
            return Outcome(1, _noted(error, "out of memory", "lower --config.batch_size"))
        case OSError():
            return Outcome(1, _noted(error, one_line(error, longest=1000)))
        case RecursionError():
            return Outcome(1, _noted(error, "a file or a value is nested too deeply to be read"))
        case UnicodeEncodeError() | UnicodeDecodeError():
            return Outcome(1, _noted(error, f"a name or a text is not UTF-8 ({one_line(error)})"))
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the host or the device has no memory left."""
    return isinstance(error, MemoryError) or (
        type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
        and "RESOURCE_EXHAUSTED" in str(error)
    )


def _noted(error: BaseException, said: str, otherwise: str = "") -> str:
    """What is `said`, with the notes of `error`, or `otherwise` where it has none.

    Those of several lines are JAX's, on its traceback.
    """
    notes = [note for note in getattr(error, "__notes__", ()) if "\n" not in note]
    return "; ".join(filter(None, [said, *(notes or [otherwise])]))
