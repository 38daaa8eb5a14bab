"""Thumbnails are made once, and only so many are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vlsu.report.serve.kept_pictures import KeptPictures


class Camera:
    """Makes pictures of 10 characters, and counts how often it made each."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, images: Iterable[str], room: int) -> Mapping[str, Mapping[str, object]]:
        some = list(images)[: room // 10]
        self.made += some
        return {image: {"uri": image * 10} for image in some}


def test_what_was_shown_is_not_made_again() -> None:
    camera = Camera()
    pictures = KeptPictures(camera)
    assert list(pictures.of("abc", 1_000)) == ["a", "b", "c"]
    assert list(pictures.of("bcd", 1_000)) == ["b", "c", "d"]
    assert pictures.of("a", 1_000) == {"a": {"uri": "a" * 10}}
    assert camera.made == ["a", "b", "c", "d"]


def test_what_was_shown_longest_ago_is_forgotten_first() -> None:
    camera = Camera()
    pictures = KeptPictures(camera, room=30)
    for shown in ("a", "b", "c", "a", "d", "a", "b"):
        pictures.of(shown, 1_000)
    assert camera.made == ["a", "b", "c", "d", "b"]


def test_a_window_has_room_for_so_many_kept_or_not() -> None:
    pictures = KeptPictures(Camera())
    assert list(pictures.of("ab", 20)) == ["a", "b"]
    assert list(pictures.of("cab", 20)) == ["a", "b"]  # none is made where the kept fill it
    assert list(pictures.of("abcd", 35)) == ["a", "b", "c"]
    assert list(pictures.of("ab", 5)) == []
