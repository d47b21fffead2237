"""The Hugging Face hub, asked once and shortly: the libraries that load from it ask again for half a minute."""

from pathlib import Path

from datapare.errors import InputError

SECONDS = 10.0  # to wait for an answer


def is_local_only(name: str) -> bool:
    """Return whether a pretrained network or its tokenizer is loaded from this machine alone.

    Args:
        name: A folder, or the name of a model on the hub.

    Returns:
        True for a folder, with HF_HUB_OFFLINE=1, and where the hub is out of reach: what was downloaded before is used.

    Raises:
        InputError: When the hub has no model of this name.

    >>> is_local_only(".")
    True
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if Path(name).is_dir() or constants.HF_HUB_OFFLINE:
        return True
    try:
        HfApi().model_info(name, timeout=SECONDS)
    except (HFValidationError, HfHubHTTPError) as error:
        if isinstance(error, HfHubHTTPError) and error.response is not None and error.response.status_code >= 500:
            return True
        raise InputError(
            f"there is no folder {name!r}, and the Hugging Face hub gives no model of that name; check the spelling, "
            "or log in where it is private (hf auth login)."
        ) from error
    except Exception:  # noqa: BLE001 - of the client below, which is another one in each version
        return True
    return False
