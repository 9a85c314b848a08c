"""The zones come from the pinned package, and their offsets change when zdump, from the same files, says they do."""

from __future__ import annotations

import calendar
import re
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from tollbook.gen import timezones

#: Summer times of half an hour and of two, by religious calendar, ended by law, or with winter as the exception.
PECULIAR = (
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Africa/Cairo",
    "America/Asuncion",
    "America/New_York",
    "America/Nuuk",
    "America/Sao_Paulo",
    "Antarctica/Troll",
    "Antarctica/Vostok",
    "Asia/Almaty",
    "Asia/Calcutta",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
)
BEGIN_2024, BEGIN_2038 = 1_704_067_200, 2_145_916_800


def test_names_are_the_iana_names_with_their_links() -> None:
    assert {"UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Calcutta"} <= timezones.names()
    assert "Europe/Atlantis" not in timezones.names()


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../tzdata/zones", "/etc/localtime", ""])
def test_a_zone_is_only_what_has_a_name(name: str) -> None:
    with pytest.raises(KeyError):
        timezones.zone(name)


def test_every_name_gives_a_zone() -> None:
    assert [name for name in sorted(timezones.names()) if timezones.zone(name).key != name] == []


def test_the_systems_own_zones_are_never_read(tmp_path: Path) -> None:
    """With a system database in which Berlin is in Honolulu, Berlin stays where it is."""
    (tmp_path / "Europe").mkdir()
    honolulu = resources.files("tzdata").joinpath("zoneinfo", "Pacific", "Honolulu").read_bytes()
    (tmp_path / "Europe" / "Berlin").write_bytes(honolulu)
    ours = "import tollbook.gen.timezones as t; zone = t.zone('Europe/Berlin')"
    pythons = "import zoneinfo; zone = zoneinfo.ZoneInfo('Europe/Berlin')"
    environment = {"PYTHONTZPATH": str(tmp_path), "TZ": "Pacific/Honolulu"}

    def seconds_east(code: str) -> str:
        asked = f"{code}; import datetime as d; print(d.datetime(2024, 1, 1, tzinfo=zone).utcoffset().total_seconds())"
        command = [sys.executable, "-c", asked]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    assert seconds_east(pythons) == "-36000.0"
    assert seconds_east(ours) == "3600.0"


def test_offsets_of_a_zone_without_summer_time() -> None:
    assert timezones.utc_offset_changes("UTC") == (0, ())
    assert timezones.utc_offset_changes("Asia/Calcutta") == (19_800, ())


def test_offsets_of_berlin() -> None:
    base, changes = timezones.utc_offset_changes("Europe/Berlin")
    assert base == 3600
    assert len(changes) == 2 * 14
    assert changes[:2] == ((1_711_846_800, 7200), (1_729_990_800, 3600))  # 31 March and 27 October 2024, 01:00 UTC
    assert changes[-1] == (2_140_045_200, 3600)  # 25 October 2037, 01:00 UTC


@pytest.mark.skipif(shutil.which("zdump") is None, reason="zdump is not installed")
@pytest.mark.parametrize("name", PECULIAR)
def test_offsets_change_when_zdump_says_so(name: str) -> None:
    base, changes = timezones.utc_offset_changes(name)
    seen = zdump(name)
    before = [offset for moment, offset in seen if moment <= BEGIN_2024]
    assert list(changes) == [(moment, offset) for moment, offset in seen if BEGIN_2024 < moment < BEGIN_2038]
    assert not before or base == before[-1]


MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
LINE = re.compile(r".* (\w{3}) +(\d+) (\d\d):(\d\d):(\d\d) (\d{4}) UTC? = .* gmtoff=(-?\d+)")


def zdump(name: str) -> list[tuple[int, int]]:
    """The changes from 2023 on, from pairs of lines: the last second of one offset and the first of the next."""
    file = str(resources.files("tzdata").joinpath("zoneinfo", *name.split("/")))
    command = ["zdump", "-v", "-c", "2023,2039", file]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout
    moments = []
    for match in filter(None, map(LINE.fullmatch, text.splitlines())):
        month, *numbers, offset = match.groups()
        day, hour, minute, second, year = map(int, numbers)
        moment = calendar.timegm((year, MONTHS.index(month) + 1, day, hour, minute, second))
        moments.append((moment, int(offset)))
    return [later for earlier, later in zip(moments[::2], moments[1::2], strict=True) if earlier[1] != later[1]]
