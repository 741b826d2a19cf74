"""Call a model of TF Serving over REST, with Python's standard library and numpy.

    python rest.py --model=digits inputs.npz outputs.npz
    python rest.py --url=http://host:8501 --model=digits --label=canary --signature=log_prob inputs.npz outputs.npz

inputs.npz has an array (count, ...) for each input of the signature, by name; there may be one or several.
"""

import argparse
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np

DTYPES = {"DT_FLOAT": np.float32, "DT_INT32": np.int32}  # those that the exported maps have


class Refused(Exception):
    """The server's own words, after the HTTP status."""


class Client:
    """A model at the base URL of a server: a version by its number or label, or else the newest that it serves."""

    def __init__(
        self, url: str, model: str, version: int | None = None, label: str | None = None, timeout: float = 30
    ) -> None:
        which = f"/versions/{version}" if version is not None else f"/labels/{quote(label, '')}" if label else ""
        self._url = f"{url.rstrip('/')}/v1/models/{quote(model, '')}{which}"
        self._timeout = timeout
        self._signatures: dict[str, Any] | None = None

    def signature(self, name: str = "serving_default") -> dict[str, Any]:
        """Return the inputs and outputs of a signature as the server describes them; an unknown one is a `KeyError`."""
        if self._signatures is None:
            self._signatures = self._ask("/metadata")["metadata"]["signature_def"]["signature_def"]
        if name not in self._signatures:
            raise KeyError(f"no signature {name!r}; the model has {', '.join(sorted(self._signatures))}")
        return self._signatures[name]

    def predict(self, inputs: Mapping[str, Any], signature: str = "serving_default") -> dict[str, np.ndarray]:
        """Return every output by name, (count, ...), in its own type.

        The request is columnar: one array for each input. Decimal digits keep every bit of a float32.
        """
        spec = self.signature(signature)
        columns = {
            name: np.asarray(values, DTYPES.get(spec["inputs"].get(name, {}).get("dtype"))).tolist()
            for name, values in inputs.items()
        }
        found = self._ask(":predict", {"signature_name": signature, "inputs": columns})["outputs"]
        # of a single output the server leaves the name out
        outputs = found if len(spec["outputs"]) > 1 else dict.fromkeys(spec["outputs"], found)
        return {name: np.asarray(values, DTYPES[spec["outputs"][name]["dtype"]]) for name, values in outputs.items()}

    def predict_row(self, row: Any, signature: str = "serving_default") -> Any:
        """Return what the model makes of one row, in the other format: `instances`, a list of rows.

        `row` is the nested list of the only input, or a dict of several inputs by name; the answer is alike.
        """
        return self._ask(":predict", {"signature_name": signature, "instances": [row]})["predictions"][0]

    def _ask(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(self._url + what, json.dumps(body).encode() if body else None)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["error"]
            except (ValueError, LookupError, TypeError):
                text = text[:200]  # not from TF Serving, but from what stands before it
            raise Refused(f"{error.code}: {text}") from None


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description="Call a model of TF Serving over REST.")
    parser.add_argument("--url", default="http://localhost:8501", help="of the server (default: %(default)s)")
    parser.add_argument("--model", required=True, help="its name on the server")
    parser.add_argument("--version", type=int, help="a version of the model; by default its newest")
    parser.add_argument("--label", help="a label of a version instead")
    parser.add_argument("--signature", default="serving_default", help="the map (default: the model's first)")
    parser.add_argument("inputs", help="an .npz file: the inputs by name")
    parser.add_argument("outputs", help="the .npz file to write: the outputs by name")
    given = parser.parse_args()
    client = Client(given.url, given.model, given.version, given.label)
    try:
        with np.load(given.inputs, allow_pickle=False) as inputs:
            outputs = client.predict(inputs, given.signature)
    except (Refused, KeyError, OSError) as error:  # an unreachable server is an OSError too
        raise SystemExit(f"error: {error}") from None
    np.savez(given.outputs, **outputs)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
