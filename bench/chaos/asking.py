"""People at their browsers, who press Generate until the studio says it has the shot."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

EMAIL, PASSWORD = "bench@example.com", "a long password"
AGAIN_S = 0.3


@dataclass
class Asking:
    """`people` threads that post the forms of `shots` at `per_s` in all, and look at the gallery.

    A form without an answer, or with one that is no yes, is posted again as it is.
    """

    url: str
    project: str  # its code
    shots: Iterator[dict[str, str]]
    per_s: float
    people: int = 8
    asked: int = 0
    posts: Counter[str] = field(default_factory=Counter)  # "302", "503", "no answer" -> how often
    looks: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._be_a_person, daemon=True) for _ in range(self.people)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self, within_s: float) -> bool:
        """Ask for nothing new; wait until every form in hand has its yes."""
        self._ended.set()
        until = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _be_a_person(self) -> None:
        pause = self.people / self.per_s
        client = self._signed_in()
        while not self._ended.is_set():
            began = time.monotonic()
            with self._lock:
                shot = next(self.shots, None)
            if shot is None:
                return
            self._press(client, shot | {"request_token": str(uuid.uuid4())})
            self._look(client)
            self._ended.wait(max(pause - (time.monotonic() - began), 0))

    def _signed_in(self) -> httpx.Client:
        while True:
            client = httpx.Client(base_url=self.url, timeout=20, trust_env=False)
            try:
                client.get("/login/").raise_for_status()
                form = {"username": EMAIL, "password": PASSWORD, **_token(client)}
                if client.post("/login/", data=form).status_code == 302:
                    return client
            except httpx.HTTPError:
                time.sleep(AGAIN_S)

    def _press(self, client: httpx.Client, form: dict[str, str]) -> None:
        while True:
            try:
                answer = client.post(f"/p/{self.project}/new/", data=form | _token(client))
                said = str(answer.status_code)
            except httpx.HTTPError:
                said = "no answer"
            with self._lock:
                self.posts[said] += 1
                self.asked += said == "302"
            if said == "302":
                return
            time.sleep(AGAIN_S)

    def _look(self, client: httpx.Client) -> None:
        try:
            said = str(client.get(f"/p/{self.project}/").status_code)
        except httpx.HTTPError:
            said = "no answer"
        with self._lock:
            self.looks[said] += 1


def _csrf_token(client: httpx.Client) -> str:
    found = (value for name, value in client.cookies.items() if "csrf" in name)
    return next(found, "")


def _token(client: httpx.Client) -> dict[str, str]:
    return {"csrfmiddlewaretoken": _csrf_token(client)}
