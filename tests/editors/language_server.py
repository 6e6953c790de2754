"""The language server for YAML that editors use, spoken to as they do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Told(NamedTuple):
    """Something that the editor underlines; lines count from 1, as people count them."""

    line: int
    message: str


@dataclass
class LanguageServer:
    """One server over its standard streams; requests are answered in the order they are made."""

    process: subprocess.Popen[bytes]
    schemas: Mapping[str, str]
    """URI of a schema -> glob of the files that it is for."""
    _last: int = 0
    _told: dict[str, list[Told]] = field(default_factory=dict)

    @classmethod
    def start(cls, command: Sequence[str], folder: Path, schemas: Mapping[str, str]) -> Any:
        """A server that is ready for files."""
        process = subprocess.Popen(
            [*command, "--stdio"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        server = cls(process, schemas)
        server.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": folder.as_uri(),
                "capabilities": {
                    "textDocument": {
                        "completion": {"completionItem": {"snippetSupport": True}},
                        "hover": {"contentFormat": ["plaintext"]},
                    },
                    "workspace": {"configuration": True},
                },
            },
        )
        server.tell("initialized", {})
        return server

    def stop(self) -> None:
        """End it as an editor does."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        self.process.wait(timeout=20)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def open(self, file: Path, text: str) -> list[Told]:
        """What is underlined in a file with this text; a file that is open is changed to it."""
        uri = file.as_uri()
        self._last += 1
        named = {"uri": uri, "version": self._last}
        if self._told.pop(uri, None) is None:
            document = {**named, "languageId": "yaml", "text": text}
            self.tell("textDocument/didOpen", {"textDocument": document})
        else:
            changes = [{"text": text}]
            self.tell("textDocument/didChange", {"textDocument": named, "contentChanges": changes})
        while uri not in self._told:
            self._receive()
        return sorted(self._told[uri])

    def complete(self, file: Path, text: str) -> list[str]:
        """What is offered where `|` stands in the text."""
        found = self._at("textDocument/completion", file, text)
        items = found["items"] if isinstance(found, dict) else found or []
        return [item["label"] for item in items]

    def hover(self, file: Path, text: str) -> str:
        """What is shown for the word where `|` stands."""
        found = self._at("textDocument/hover", file, text)
        contents = found["contents"] if found else ""
        return str(contents["value"] if isinstance(contents, dict) else contents)

    def _at(self, method: str, file: Path, text: str) -> Any:
        before, _, after = text.partition("|")
        self.open(file, before + after)
        place = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        return self.ask(method, {"textDocument": {"uri": file.as_uri()}, "position": place})

    def ask(self, method: str, params: object) -> Any:
        """The answer to a request."""
        self._last += 1
        number = self._last
        self._send({"id": number, "method": method, "params": params})
        while True:
            answer = self._receive()
            if answer.get("id") == number and "method" not in answer:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def tell(self, method: str, params: object) -> None:
        """A notification, which has no answer."""
        self._send({"method": method, "params": params})

    def _send(self, message: Mapping[str, object]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """The next message; questions of the server are answered, what it tells is kept."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the server has ended"
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        method = message.get("method")
        if method == "textDocument/publishDiagnostics":
            found = message["params"]
            self._told[found["uri"]] = [
                Told(one["range"]["start"]["line"] + 1, one["message"])
                for one in found["diagnostics"]
            ]
        elif "id" in message and method is not None:
            answer = [self._settings(one) for one in message["params"].get("items", [])]
            is_question = method == "workspace/configuration"
            self._send({"id": message["id"], "result": answer if is_question else None})
        return message

    def _settings(self, item: Mapping[str, Any]) -> object:
        """What the editor is set to."""
        if item.get("section") != "yaml":
            return {}
        return {
            "schemas": dict(self.schemas),
            "schemaStore": {"enable": False},
            "validate": True,
            "completion": True,
            "hover": True,
        }
