"""Geospatial commands: known values of the original, and searches against looking at every member."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

SICILY = (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")
RADIUS = 6372797.560856


@pytest.fixture(params=[128, 0], ids=["listpack", "skiplist"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine = Engine()
    engine.set("zset_max_listpack_entries", request.param)
    assert engine.execute("GEOADD", "sicily", *SICILY) == 2
    return engine


def error(engine: Engine, command: str) -> str:
    with pytest.raises(CommandError) as raised:
        engine.execute(*command.split())
    return str(raised.value)


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    lon1, lat1, lon2, lat2 = map(math.radians, (*one, *other))
    u, v = math.sin((lat2 - lat1) / 2), math.sin((lon2 - lon1) / 2)
    return 2 * RADIUS * math.asin(math.sqrt(u * u + math.cos(lat1) * math.cos(lat2) * v * v))


def test_scores_are_the_originals(engine: Engine) -> None:
    assert engine.execute("ZRANGE", "sicily", 0, -1, "WITHSCORES") == [
        [b"Palermo", 3479099956230698],
        [b"Catania", 3479447370796909],
    ]


def test_positions_distances_hashes(engine: Engine) -> None:
    execute = engine.execute
    assert execute("GEOPOS", "sicily", "Palermo", "nobody") == [[13.36138933897018433, 38.11555639549629859], None]
    assert execute("GEODIST", "sicily", "Palermo", "Catania") == b"166274.1516"
    assert execute("GEODIST", "sicily", "Palermo", "Catania", "mi") == b"103.3182"
    assert execute("GEODIST", "sicily", "Palermo", "Palermo", "km") == b"0.0000"
    assert execute("GEODIST", "sicily", "Palermo", "nobody") is None
    assert execute("GEOHASH", "sicily", "Palermo", "Catania", "nobody") == [b"sqc8b49rny0", b"sqdtr74hyu0", None]
    assert execute("GEOPOS", "nothing", "a") == [None]
    assert execute("GEOHASH", "nothing", "a") == [None]


def test_searches(engine: Engine) -> None:
    execute = engine.execute
    centre = ("FROMLONLAT", 15, 37)
    assert execute("GEOSEARCH", "sicily", *centre, "BYRADIUS", 200, "km", "DESC") == [b"Palermo", b"Catania"]
    assert execute("GEOSEARCH", "sicily", *centre, "BYRADIUS", 200, "km", "COUNT", 1) == [b"Catania"]
    assert execute("GEOSEARCH", "sicily", *centre, "BYBOX", 400, 400, "km", "ASC") == [b"Catania", b"Palermo"]
    assert execute("GEOSEARCH", "sicily", "FROMMEMBER", "Palermo", "BYRADIUS", 1, "m") == [b"Palermo"]
    assert execute("GEORADIUS", "sicily", 15, 37, 100, "km", "WITHDIST", "WITHHASH", "WITHCOORD") == [
        [b"Catania", b"56.4413", 3479447370796909, [15.08726745843887329, 37.50266842333162032]]
    ]
    assert execute("GEORADIUSBYMEMBER_RO", "sicily", "Palermo", 200, "km") == [b"Palermo", b"Catania"]
    assert execute("GEOSEARCH", "sicily", "BYPOLYGON", 3, 12, 37, 12, 39, 16, 39, "WITHDIST") == [
        [b"Palermo", b"26137.8667"]
    ]
    assert execute("GEOSEARCH", "nothing", *centre, "BYRADIUS", 200, "km") == []


def test_stores(engine: Engine) -> None:
    execute = engine.execute
    search = ("FROMLONLAT", 15, 37, "BYRADIUS", 200, "km")
    assert execute("GEOSEARCHSTORE", "d", "sicily", *search) == 2
    assert execute("ZSCORE", "d", "Palermo") == 3479099956230698
    assert execute("GEOSEARCHSTORE", "d", "sicily", *search, "STOREDIST") == 2
    assert execute("ZSCORE", "d", "Catania") == pytest.approx(56.4412578701582)
    assert execute("GEORADIUS", "sicily", 15, 37, 1, "m", "STORE", "d") == 0
    assert execute("EXISTS", "d") == 0


def test_adding_conditions(engine: Engine) -> None:
    execute = engine.execute
    assert execute("GEOADD", "sicily", "XX", "CH", 14, 38, "Palermo", 14, 38, "Enna") == 1
    assert execute("GEOADD", "sicily", "NX", 1, 1, "Palermo", 14, 38, "Enna") == 1
    assert execute("GEOADD", "nothing", "XX", 1, 1, "a") == 0
    assert execute("EXISTS", "nothing") == 0


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("GEOADD sicily 1 2 a 3", "ERR syntax error"),
        ("GEOADD sicily NX XX 1 2 a", "ERR syntax error"),
        ("GEOADD sicily 181 2 a", "ERR invalid longitude,latitude pair 181.000000,2.000000"),
        ("GEOADD sicily x 2 a", "ERR value is not a valid float"),
        ("GEODIST sicily Palermo Catania parsec", "ERR unsupported unit provided. please use M, KM, FT, MI"),
        ("GEODIST string a b", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("GEORADIUS sicily 1 2 x km", "ERR need numeric radius"),
        ("GEORADIUS sicily 1 2 -1 km", "ERR radius cannot be negative"),
        ("GEORADIUSBYMEMBER sicily nobody 1 km", "ERR could not decode requested zset member"),
        ("GEORADIUS sicily 1 2 3 km COUNT 0", "ERR COUNT must be > 0"),
        ("GEORADIUS sicily 1 2 3 km ANY", "ERR the ANY argument requires COUNT argument"),
        (
            "GEORADIUS sicily 1 2 3 km WITHDIST STORE d",
            "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
        ("GEORADIUS_RO sicily 1 2 3 km STORE d", "ERR syntax error"),
        ("GEOSEARCH sicily FROMLONLAT 1 2 BYBOX 1 x km", "ERR need numeric height"),
        ("GEOSEARCH sicily FROMLONLAT 1 2 BYBOX 1 -1 km", "ERR height or width cannot be negative"),
        (
            "GEOSEARCH sicily FROMLONLAT 1 2 ASC WITHDIST WITHHASH",
            "ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
        ),
        (
            "GEOSEARCH sicily BYRADIUS 1 km ASC WITHDIST",
            "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
        ),
        ("GEOSEARCH sicily BYPOLYGON 2 1 2 3 4", "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
    ],
)
def test_errors(engine: Engine, command: str, text: str) -> None:
    engine.execute("SET", "string", "x")
    assert error(engine, command) == text


coordinates = st.tuples(st.floats(-180, 180), st.floats(-80, 80))


@settings(deadline=None)
@given(
    st.lists(coordinates, min_size=1, max_size=200),
    coordinates,
    st.floats(1, 5_000_000),
    st.sampled_from([0, 1000]),
)
def test_circles_hold_what_is_near(
    places: list[tuple[float, float]], centre: tuple[float, float], radius: float, entries: int
) -> None:
    engine = Engine()
    engine.set("zset_max_listpack_entries", entries)
    near = [(centre[0] + dx, max(-80.0, min(80.0, centre[1] + dy))) for dx, dy in ((0, 0), (0.001, 0.001), (-0.1, 0.2))]
    everything = places + [place for place in near if -180 <= place[0] <= 180]
    for number, place in enumerate(everything):
        engine.execute("GEOADD", "k", *place, str(number))
    found = set(engine.execute("GEOSEARCH", "k", "FROMLONLAT", *centre, "BYRADIUS", radius, "m"))
    nearest = engine.execute("GEOSEARCH", "k", "FROMLONLAT", *centre, "BYRADIUS", radius, "m", "ASC", "COUNT", 5)
    assert nearest == engine.execute("GEOSEARCH", "k", "FROMLONLAT", *centre, "BYRADIUS", radius, "m", "ASC")[:5]
    for number in range(len(everything)):
        name = b"%d" % number
        (position,) = engine.execute("GEOPOS", "k", name)
        away = distance(centre, tuple(position))
        # What is on the edge may be on either side; across the 180th meridian places are missed, as by the original.
        farthest = abs(centre[1]) + math.degrees(radius / RADIUS)
        reach = math.degrees(radius / RADIUS / math.cos(math.radians(farthest))) if farthest < 89 else 180.0
        across = abs(centre[0]) + reach >= 180
        if abs(away - radius) > 1e-6 * radius + 0.01 and away < 4_000_000 and not across:
            assert (name in found) == (away < radius), (position, away, radius)


LAST_LATITUDE = 85.05112878


@pytest.mark.parametrize("entries", [0, 1000])
@pytest.mark.parametrize(
    "place",
    [
        (180, 0),
        (180, 44.4),
        (180, -LAST_LATITUDE),
        (0, LAST_LATITUDE),
        (-180, LAST_LATITUDE),
        (77.7, LAST_LATITUDE),
        (180, LAST_LATITUDE),
    ],
)
def test_what_lies_on_the_edge_of_the_map_is_found(place: tuple[float, float], entries: int) -> None:
    engine = Engine()
    engine.set("zset_max_listpack_entries", entries)
    engine.execute("GEOADD", "k", *place, "edge", -100, -40, "far")
    longitude, latitude = place
    for inward in (0, 0.001, 0.1, 1, 10):
        centre = (min(longitude, 180 - inward), min(latitude, LAST_LATITUDE - inward))
        engine.execute("GEOADD", "k", *centre, "centre")
        (position,) = engine.execute("GEOPOS", "k", "edge")
        (own,) = engine.execute("GEOPOS", "k", "centre")
        metres = distance(centre, tuple(position)) + distance(centre, tuple(own))
        for factor in (1.001, 1.5, 3, 20, 1000):
            radius = metres * factor + 1
            circle = (radius, "m")
            away = [f"{centre[0]:.12f}", f"{centre[1]:.12f}"]
            for search in (
                ("GEOSEARCH", "k", "FROMLONLAT", *away, "BYRADIUS", *circle),
                ("GEOSEARCH", "k", "FROMLONLAT", *away, "BYBOX", 2 * radius, 2 * radius, "m"),
                ("GEOSEARCH", "k", "FROMMEMBER", "centre", "BYRADIUS", *circle, "ASC"),
                ("GEORADIUS", "k", *away, *circle),
                ("GEORADIUS_RO", "k", *away, *circle, "COUNT", 100),
                ("GEORADIUSBYMEMBER", "k", "centre", *circle),
                ("GEORADIUSBYMEMBER_RO", "k", "centre", *circle),
            ):
                found = engine.execute(*search)
                assert b"edge" in found, (search, metres)
                assert len(found) == len(set(found)), search
            assert engine.execute("GEOSEARCHSTORE", "d", *search[1:2], "FROMLONLAT", *away, "BYRADIUS", *circle) >= 2
        assert b"edge" not in engine.execute("GEOSEARCH", "k", "FROMLONLAT", *away, "BYRADIUS", metres * 0.99, "m") \
            or metres < 10
