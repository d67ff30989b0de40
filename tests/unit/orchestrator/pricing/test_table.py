from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from underpaint.contract.errors import EngineFailed, InvalidRequest
from underpaint.contract.money import MAX_USD_MICROS
from underpaint.orchestrator import pricing
from underpaint.orchestrator.settings import PRICES
from underpaint.orchestrator.storage.redis import records

from tests.unit.orchestrator.samples import GENERATION, PRICE

TABLE = """
version: "t1"
engines:
  full:
    per_gpu_second_usd_micros: 695
    per_image_usd_micros: 1000
    per_megapixel_step_usd_micros: 0
    max_gpu_seconds: 120
    num_inference_steps: 28
    guidance_scale: 3.0
    width: 1024
    height: 1024
"""


def table(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    return file


def test_quote_lines_add_up_to_the_upper_bound() -> None:
    lines = pricing.upper_bound(PRICE, GENERATION)
    # 1,000 a picture; ceil(1.048576 x 28 x 10); 120 x 695.
    assert [line.usd_micros for line in lines] == [1_000, 294, 83_400]
    assert pricing.total(lines) == 84_694
    assert lines[1].what == "28 steps x 1.049 megapixels"


def test_charge_is_what_was_measured_rounded_up() -> None:
    assert pricing.charge(PRICE, GENERATION, 2.5, 84_694) == 1_000 + 294 + 1_738
    assert pricing.charge(PRICE, GENERATION, 0.0, 84_694) == 1_294
    assert pricing.charge(PRICE, GENERATION, 0.0001, 84_694) == 1_295


def test_charge_never_exceeds_the_quote() -> None:
    dice = random.Random(3)
    for _ in range(2_000):
        request = replace(
            GENERATION,
            width=8 * dice.randint(8, 256),
            num_inference_steps=dice.randint(1, 150),
        )
        seconds = dice.choice((dice.random(), dice.uniform(0, 240), 120.0, 1e9))
        bound = pricing.total(pricing.upper_bound(PRICE, request))
        charged = pricing.charge(PRICE, request, seconds, bound)
        assert 0 < charged <= bound
        assert charged == bound or seconds < PRICE.max_gpu_seconds


@pytest.mark.parametrize("seconds", [-0.001, float("nan"), float("inf")])
def test_a_measurement_that_is_no_duration_is_refused(seconds: float) -> None:
    with pytest.raises(EngineFailed, match="cannot be right"):
        pricing.charge(PRICE, GENERATION, seconds, 84_694)


def test_cloud_only_counts_every_draft_as_a_render_like_the_polish() -> None:
    assert pricing.cloud_only(3_032, 8) == 9 * 3_032


def test_a_price_beyond_the_ledger_is_refused() -> None:
    price = replace(PRICE, per_gpu_second_micros=MAX_USD_MICROS)
    with pytest.raises(InvalidRequest, match="out of range"):
        pricing.upper_bound(price, GENERATION)
    with pytest.raises(InvalidRequest, match="out of range"):
        pricing.cloud_only(MAX_USD_MICROS, 1)


def test_an_unknown_engine_is_refused_never_free(tmp_path: Path) -> None:
    prices = pricing.load(table(tmp_path, TABLE))
    with pytest.raises(InvalidRequest, match=r"'huge' is unknown or has no price.*full"):
        prices.engine("huge")


def test_the_shipped_table_loads() -> None:
    prices = pricing.load(PRICES)
    bound = pricing.total(pricing.upper_bound(prices.engine("full"), GENERATION))
    assert prices.version
    assert 10_000 < bound < 1_000_000


def test_a_table_names_money_and_need_not_name_steps(tmp_path: Path) -> None:
    bare = TABLE.replace("    num_inference_steps: 28\n    guidance_scale: 3.0\n", "")
    price = pricing.load(table(tmp_path, bare)).engine("full")
    assert (price.num_inference_steps, price.guidance_scale) == (28, 4.0)
    assert price.terms == pricing.load(table(tmp_path, TABLE)).engine("full").terms


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    per_image_usd_micros: 1000\n", "", r"yaml:5: engines.full lacks per_image_usd_m"),
        ("micros: 695", "micros: 6.95", r"yaml:5: \S+per_gpu_second_usd_micros must be a whole"),
        ("micros: 695", "micros: 1_695", r"yaml:5: .* must be a whole number"),
        ("micros: 695", "micros: 1,695", r"yaml:5: .* must be a whole number"),
        ("micros: 695", "micros: " + "9" * 5_000, r"yaml:5: .* of at most 18 digits"),
        ("micros: 695", "micros: -1", r"yaml:5: .* is -1; it must be 0 to"),
        ("micros: 695", "micros:", r"yaml:5: .* must be a single value"),
        ("micros: 695", "micros: 9007199254740992", r"yaml:5: .* it must be 0 to 9007199254740991"),
        ("max_gpu_seconds: 120", "max_gpu_seconds: 0", r"yaml:8: .*max_gpu_seconds is 0"),
        ("width: 1024", "width: 1020", r"yaml:11: .*multiple of 8"),
        ("guidance_scale: 3.0", "guidance_scale: .nan", r"yaml:10: .*must be 0 to 30|a number"),
        ("guidance_scale: 3.0", "guidance: 3.0", r"yaml:10: engines.full.guidance is unknown"),
        ('version: "t1"\n', "", r"yaml:2: the document lacks version"),
        ('version: "t1"', 'version: ""', r"yaml:2: version is empty"),
        ("  full:\n", "  full:\n    width: 512\n", r"width is there twice"),
        ("695\n", "0\n", r""),
        (TABLE, "", r"is empty"),
        (TABLE, "a: [", r"this is not YAML"),
        (TABLE, "- 1", r"must be a mapping"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = TABLE.replace(old, new)
    if old == "695\n":
        text = text.replace("1000", "0")
        message = r"yaml:5: engines.full costs nothing"
    with pytest.raises(InvalidRequest, match=message):
        pricing.load(table(tmp_path, text))


IN_EUROS = (
    TABLE.replace("_usd_micros", "_eur_micros")
    .replace("engines:", "exchange:\n  EUR: 27/25\nengines:")
    .replace("  full:\n", "  full:\n    provider: atelier\n    currency: EUR\n")
)


def test_another_currency_is_converted_at_the_fixed_rate_and_rounded_up_once(
    tmp_path: Path,
) -> None:
    price = pricing.load(table(tmp_path, IN_EUROS)).engine("full")
    assert (price.currency, price.rate, price.provider) == (
        "EUR",
        pricing.Rate(numerator=27, denominator=25),
        "atelier",
    )
    lines = pricing.upper_bound(price, GENERATION)
    # 1,000 x 1.08; 120 x 695 x 1.08 = 90,072.
    assert [line.usd_micros for line in lines] == [1_080, 90_072]
    assert lines[1].what == "at most 120 GPU-seconds, atelier (0.0834 EUR)"
    assert pricing.charge(price, GENERATION, 0.001, 91_152) == 1_080 + 1  # 0.7506 of one


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "exchange:\n  EUR: 27/25\n",
            "",
            r"yaml:6: .*currency is 'EUR', but the ledger is kept",
        ),
        ("EUR: 27/25", "EUR: 1.08", r"yaml:4: exchange.EUR is '1.08'; write dollars for one EUR"),
        ("EUR: 27/25", "EUR: 27/0", r"yaml:4: .*like 27/25"),
        ("EUR: 27/25", "USD: 1/1", r"yaml:4: exchange.USD is not a foreign currency"),
        ("per_image_eur_micros", "per_image_usd_micros", r"per_image_usd_micros is unknown"),
        ("currency: EUR", "currency: CHF", r"'CHF', but the ledger .* `exchange: {CHF: 27/25}`"),
    ],
)
def test_a_currency_without_a_rate_or_under_another_name_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in IN_EUROS
    with pytest.raises(InvalidRequest, match=message):
        pricing.load(table(tmp_path, IN_EUROS.replace(old, new)))


def test_a_stored_price_keeps_its_currency_and_rate(tmp_path: Path) -> None:
    price = pricing.load(table(tmp_path, IN_EUROS)).engine("full")
    assert records.PRICE.validate_json(records.PRICE.dump_json(price)) == price


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        pricing.load(tmp_path / "none.yaml")
