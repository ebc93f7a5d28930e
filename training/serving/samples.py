"""Code to copy: one prediction in three languages, with the deployment's own URL."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A piece of code: a key for the page, the language's name, the text."""

    key: str
    name: str
    text: str


def samples(url: str, example: str) -> list[Sample]:
    """Return calls of `url` with `example`; the key is read from the environment."""
    body = json.dumps({"inputs": [example]}, ensure_ascii=False)
    shell = body.replace("'", "'\\''")
    text = json.dumps(example, ensure_ascii=False)
    return [
        Sample(
            "curl",
            "curl",
            f"curl {url} \\\n"
            '  -H "Authorization: Bearer $MODELYARD_KEY" \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f"  -d '{shell}'",
        ),
        Sample(
            "python",
            "Python",
            "import json, os, urllib.request\n\n"
            "request = urllib.request.Request(\n"
            f'    "{url}",\n'
            f'    data=json.dumps({{"inputs": [{text}]}}).encode(),\n'
            "    headers={\n"
            '        "Authorization": "Bearer " + os.environ["MODELYARD_KEY"],\n'
            '        "Content-Type": "application/json",\n'
            "    },\n"
            ")\n"
            "answer = json.load(urllib.request.urlopen(request))\n"
            'print(answer["predictions"][0]["label"])',
        ),
        Sample(
            "javascript",
            "JavaScript",
            f'const response = await fetch("{url}", {{\n'
            '  method: "POST",\n'
            "  headers: {\n"
            '    "Authorization": `Bearer ${process.env.MODELYARD_KEY}`,\n'
            '    "Content-Type": "application/json",\n'
            "  },\n"
            f"  body: JSON.stringify({{ inputs: [{text}] }}),\n"
            "});\n"
            "const answer = await response.json();\n"
            "console.log(answer.predictions[0].label);",
        ),
    ]
