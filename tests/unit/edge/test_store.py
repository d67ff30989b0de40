import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from underpaint.contract.drafts import Draft, Privacy
from underpaint.contract.errors import DraftNotFound, EngineFailed, InvalidRequest
from underpaint.contract.generation import GenerationRequest
from underpaint.contract.pictures import Digest
from underpaint.edge.store import DraftStore, new_id


def make_draft(picture: bytes, seed: int = 1, id_: str = "") -> Draft:
    return Draft(
        id=id_ or new_id(),
        digest=Digest.of(picture),
        request=GenerationRequest(
            prompt="a cat\n\u2603",
            negative_prompt="dog",
            seed=seed,
            width=128,
            height=64,
            num_inference_steps=4,
            guidance_scale=1.5,
        ),
        privacy=Privacy.STRUCTURE,
        model="lite",
        elapsed_ms=12,
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        warnings=("one", "two"),
    )


def open_store(folder: Path, draft_limit: int = 100, bytes_limit: int = 2**20) -> DraftStore:
    return DraftStore(folder, draft_limit=draft_limit, bytes_limit=bytes_limit)


def pictures(folder: Path) -> list[Path]:
    return [path for path in (folder / "pictures").rglob("*") if path.is_file()]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DraftStore]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def test_what_is_kept_comes_back_exactly_after_a_restart(tmp_path: Path) -> None:
    draft = make_draft(b"picture")
    first = open_store(tmp_path)
    first.add(draft, b"picture")
    first.close()
    second = open_store(tmp_path)
    assert second.find(draft.id) == draft
    assert second.picture(draft) == b"picture"
    second.close()


def test_a_kill_right_after_add_loses_nothing(tmp_path: Path) -> None:
    here = Path(__file__)
    code = (
        f"import importlib.util, os, sys; from pathlib import Path\n"
        f"spec = importlib.util.spec_from_file_location('own', {str(here)!r})\n"
        f"own = importlib.util.module_from_spec(spec); spec.loader.exec_module(own)\n"
        f"store = own.open_store(Path({str(tmp_path)!r}))\n"
        f"store.add(own.make_draft(b'one', id_='aaaaaaaaaaaa'), b'one')\n"
        f"os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == -9, ended.stderr.decode()
    store = open_store(tmp_path)
    assert store.picture(store.find("aaaa")) == b"one"
    store.close()


def test_what_a_crash_left_behind_is_swept_at_the_next_start(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    kept = make_draft(b"kept")
    store.add(kept, b"kept")
    store.close()
    folder = pictures(tmp_path)[0].parent
    (folder / ("f" * 64)).write_bytes(b"named by no draft")
    (folder / ("e" * 64 + ".half")).write_bytes(b"hal")
    store = open_store(tmp_path)
    assert [path.name for path in pictures(tmp_path)] == [kept.digest.sha256]
    store.close()


def test_the_newest_come_first_page_by_page(store: DraftStore) -> None:
    made = [make_draft(b"x%d" % i, seed=i) for i in range(7)]
    for i, draft in enumerate(made):
        store.add(draft, b"x%d" % i)
    seen: list[Draft] = []
    token, pages = "", 0
    while True:
        page, token = store.page(3, token)
        seen += page
        pages += 1
        if not token:
            break
    assert pages == 3
    assert seen == made[::-1]


def test_a_page_goes_on_where_it_was_though_a_draft_was_added_since(store: DraftStore) -> None:
    made = [make_draft(b"a", seed=i) for i in range(4)]
    for draft in made:
        store.add(draft, b"a")
    _, token = store.page(2)
    store.add(make_draft(b"b"), b"b")
    assert store.page(2, token)[0] == [made[1], made[0]]


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "9" * 40, "²"])
def test_a_foreign_page_token_is_refused(store: DraftStore, token: str) -> None:
    with pytest.raises(InvalidRequest, match="page token"):
        store.page(2, token)


def test_a_beginning_of_an_id_will_do_if_only_one_fits(store: DraftStore) -> None:
    for id_ in ("abcdefghijkl", "abcdzzzzzzzz"):
        store.add(make_draft(b"a", id_=id_), b"a")
    assert store.find("abcde").id == "abcdefghijkl"
    with pytest.raises(InvalidRequest, match="several"):
        store.find("abcd")
    with pytest.raises(InvalidRequest, match="too short"):
        store.find("abc")
    for nothing in ("zzzz", "%%%%", "____", "ABCDE", "abcdefghijklm"):
        with pytest.raises(DraftNotFound):
            store.find(nothing)


def test_the_oldest_make_room_beyond_the_limit_of_drafts(tmp_path: Path) -> None:
    store = open_store(tmp_path, draft_limit=3)
    made = [make_draft(b"p%d" % i, seed=i) for i in range(5)]
    for i, draft in enumerate(made):
        store.add(draft, b"p%d" % i)
    assert store.page(10)[0] == made[:1:-1]
    assert len(store) == len(pictures(tmp_path)) == 3
    store.close()


def test_the_oldest_make_room_beyond_the_limit_of_bytes(tmp_path: Path) -> None:
    store = open_store(tmp_path, bytes_limit=250)
    made = [make_draft(bytes([i]) * 100, seed=i) for i in range(4)]
    for i, draft in enumerate(made):
        store.add(draft, bytes([i]) * 100)
    assert store.page(10)[0] == [made[3], made[2]]
    huge = make_draft(b"h" * 1_000)
    store.add(huge, b"h" * 1_000)
    assert store.page(10)[0] == [huge]
    store.close()


def test_a_smaller_limit_holds_from_the_next_start(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for i in range(4):
        store.add(make_draft(b"p%d" % i), b"p%d" % i)
    store.close()
    store = open_store(tmp_path, draft_limit=2)
    assert len(store) == len(pictures(tmp_path)) == 2
    store.close()


def test_bytes_that_two_drafts_share_stay_until_both_are_gone(
    store: DraftStore, tmp_path: Path
) -> None:
    one, two = make_draft(b"same", seed=1), make_draft(b"same", seed=2)
    store.add(one, b"same")
    store.add(two, b"same")
    assert len(pictures(tmp_path)) == 1
    store.delete(one.id)
    assert store.picture(two) == b"same"
    store.delete(two.id[:6])
    assert pictures(tmp_path) == []
    with pytest.raises(DraftNotFound):
        store.delete(two.id)


def test_damaged_and_missing_bytes_are_told_apart_from_good_ones(
    store: DraftStore, tmp_path: Path
) -> None:
    draft = make_draft(b"picture", seed=77)
    store.add(draft, b"picture")
    (path,) = pictures(tmp_path)
    path.write_bytes(b"pictur3")
    with pytest.raises(DraftNotFound, match=r"damaged.*seed 77"):
        store.picture(draft)
    path.unlink()
    with pytest.raises(DraftNotFound, match="cannot be read"):
        store.picture(draft)


def test_a_disk_that_takes_no_more_is_told_and_keeps_what_it_has(
    store: DraftStore, tmp_path: Path
) -> None:
    kept = make_draft(b"kept")
    store.add(kept, b"kept")
    lost = make_draft(b"lost")
    # A file where the picture's folder should be, as a disk that refuses.
    (tmp_path / "pictures" / lost.digest.sha256[:2]).write_text("")
    with pytest.raises(EngineFailed, match="could not be stored"):
        store.add(lost, b"lost")
    assert store.page(10)[0] == [kept]


def test_one_directory_belongs_to_one_node(store: DraftStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="another node"):
        open_store(tmp_path)


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="file"):
        open_store(tmp_path / "file")
    (tmp_path / "drafts.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(InvalidRequest, match="not a database"):
        open_store(tmp_path)


def test_ids_are_short_and_do_not_repeat() -> None:
    ids = {new_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert {len(id_) for id_ in ids} == {12}
    assert all(id_ == id_.lower() and id_.isalnum() for id_ in ids)


def test_an_id_is_never_taken_twice(store: DraftStore) -> None:
    draft = make_draft(b"a")
    store.add(draft, b"a")
    with pytest.raises(EngineFailed):
        store.add(dataclasses.replace(draft, model="other"), b"a")
    assert store.find(draft.id) == draft
