"""Commands on geospatial indexes, which are sorted sets, and their rows.

A member's score is its geohash: 26 bits of latitude and 26 of longitude, interleaved, latitude in the even bits. The
members of a cell, whatever its size, have scores without a gap; a search goes through the cell that the centre is in
and its eight neighbours, of a size that they cover the area, and looks at each member there.

Formulas, constants and the order in which cells are searched are the original's, so that scores, distances and the
order of unsorted results are too (but for polygons, where only the results are).
"""
from libc.math cimport M_PI, asin, atan2, cos, fabs, hypot, sin, sqrt
from libc.stdint cimport INT64_MIN, int64_t, uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport qsort
from libc.string cimport memcpy
from redislite._core.base.alloc cimport heap_alloc, heap_free, heap_realloc
from redislite._core.commands.arguments cimport (
    argument_at_least_or_reply, argument_double_or_reply, argument_integer_or_reply, argument_is, reply_out_of_memory,
    reply_syntax_error,
)
from redislite._core.handlers.sorted_set_key cimport (
    add_sorted_set_or_reply, is_sorted_set_or_reply, sorted_set_changed, store_sorted_set_and_reply,
)
from redislite._core.keyspace.entry cimport Entry, sorted_set_load, sorted_set_save
from redislite._core.keyspace.keyspace cimport lookup_read, lookup_write
from redislite._core.protocol.reply cimport (
    reply_array, reply_bulk, reply_error, reply_integer, reply_null, reply_null_array, reply_raw,
)
from redislite._core.state.core cimport Argument, Client, Core
from redislite._core.text.numbers cimport LONG_DOUBLE_TEXT_MAX, format_int64, format_long_double
from redislite._core.values.sorted_set_value cimport (
    ADD_ADDED, ADD_EXISTING, ADD_NEW, ADD_NO_MEMORY, ADD_UPDATED, ScoreRange, SortedSetCursor, SortedSetValue,
    sorted_set_add, sorted_set_expect, sorted_set_find, sorted_set_insert, sorted_set_new, sorted_set_next,
    sorted_set_release, sorted_set_score_range, sorted_set_seek,
)

from redislite._core.commands.row import native

cdef enum:
    STEP_MAX = 26               # bits of each coordinate
    CELLS = 9
    EDGES_PER_CELL = 3
    NUMBER_TEXT = 24            # room for the text of a member that is an integer
    POINTS_FIRST = 32
    FRACTION_DIGITS = 4         # of a distance

cdef enum:
    SHAPE_NONE = 0
    SHAPE_CIRCLE = 1
    SHAPE_BOX = 2
    SHAPE_POLYGON = 3

cdef enum:
    ORDER_NONE = 0
    ORDER_NEAREST = 1
    ORDER_FARTHEST = 2

cdef double EARTH_RADIUS = 6372797.560856           # metres
cdef double MERCATOR_MAX = 20037726.37              # metres, half of the equator
cdef double LATITUDE_MAX = 85.05112878              # degrees
cdef double LONGITUDE_MAX = 180
cdef double RADIANS = M_PI / 180

cdef const char* GEOHASH_ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


# A rectangle of the map; step says how many bits of each coordinate name it, 0: none.
cdef struct Cell:
    uint64_t bits
    int step


# Degrees.
cdef struct Bounds:
    double west
    double south
    double east
    double north


cdef struct Shape:
    int kind
    double longitude            # of the centre
    double latitude
    double unit                 # metres of the unit that lengths are given in
    double radius
    double width
    double height
    const double* vertices      # polygon: longitude, latitude, ...
    int64_t vertices_count
    Bounds bounds
    double cosine               # of the centre's latitude


# A member that was found. Its text is number where data is NULL.
cdef struct Point:
    double longitude
    double latitude
    double distance             # metres from the centre
    double score
    char* data
    size_t length
    char number[NUMBER_TEXT]


cdef struct Points:
    Point* points
    size_t count
    size_t capacity


cdef struct Search:
    Shape shape
    int order
    int64_t count               # 0: all
    bint any
    bint distances
    bint hashes
    bint coordinates
    int destination             # argument of the key to store to; 0: none
    bint store_distances
    bint has_centre
    double* vertices            # own memory
    size_t vertices_size


# Geohashes


cdef inline uint64_t spread(uint32_t word) noexcept nogil:
    """The bits of a word, each at twice its place."""
    cdef uint64_t bits = word
    bits = (bits | (bits << 16)) & <uint64_t> 0x0000ffff0000ffff
    bits = (bits | (bits << 8)) & <uint64_t> 0x00ff00ff00ff00ff
    bits = (bits | (bits << 4)) & <uint64_t> 0x0f0f0f0f0f0f0f0f
    bits = (bits | (bits << 2)) & <uint64_t> 0x3333333333333333
    return (bits | (bits << 1)) & <uint64_t> 0x5555555555555555


cdef inline uint32_t gather(uint64_t bits) noexcept nogil:
    """The reverse of spread."""
    bits &= <uint64_t> 0x5555555555555555
    bits = (bits | (bits >> 1)) & <uint64_t> 0x3333333333333333
    bits = (bits | (bits >> 2)) & <uint64_t> 0x0f0f0f0f0f0f0f0f
    bits = (bits | (bits >> 4)) & <uint64_t> 0x00ff00ff00ff00ff
    bits = (bits | (bits >> 8)) & <uint64_t> 0x0000ffff0000ffff
    return <uint32_t> (bits | (bits >> 16))


cdef inline uint64_t encode(double longitude, double latitude, double latitude_max, int step) noexcept nogil:
    cdef double scale = <double> (<uint64_t> 1 << step)
    cdef double row = (latitude + latitude_max) / (2 * latitude_max) * scale
    cdef double column = (longitude + LONGITUDE_MAX) / (2 * LONGITUDE_MAX) * scale
    return spread(<uint32_t> row) | spread(<uint32_t> column) << 1


cdef inline void cell_bounds(const Cell* cell, Bounds* bounds) noexcept nogil:
    cdef double row = gather(cell.bits)
    cdef double column = gather(cell.bits >> 1)
    cdef double scale = <double> (<uint64_t> 1 << cell.step)
    bounds.south = -LATITUDE_MAX + row / scale * (2 * LATITUDE_MAX)
    bounds.north = -LATITUDE_MAX + (row + 1) / scale * (2 * LATITUDE_MAX)
    bounds.west = -LONGITUDE_MAX + column / scale * (2 * LONGITUDE_MAX)
    bounds.east = -LONGITUDE_MAX + (column + 1) / scale * (2 * LONGITUDE_MAX)


cdef inline void decode(double score, double* longitude, double* latitude) noexcept nogil:
    """The middle of the smallest cell that a score means."""
    cdef Cell cell
    cdef Bounds bounds
    cell.bits = <uint64_t> score
    cell.step = STEP_MAX
    cell_bounds(&cell, &bounds)
    longitude[0] = (bounds.west + bounds.east) / 2
    if longitude[0] > LONGITUDE_MAX:
        longitude[0] = LONGITUDE_MAX
    elif longitude[0] < -LONGITUDE_MAX:
        longitude[0] = -LONGITUDE_MAX
    latitude[0] = (bounds.south + bounds.north) / 2
    if latitude[0] > LATITUDE_MAX:
        latitude[0] = LATITUDE_MAX
    elif latitude[0] < -LATITUDE_MAX:
        latitude[0] = -LATITUDE_MAX


cdef inline Cell neighbour(const Cell* cell, int eastward, int northward) noexcept nogil:
    """The cell next to this one; the map's edges touch each other."""
    cdef uint32_t mask = <uint32_t> ((<uint64_t> 1 << cell.step) - 1)
    cdef uint32_t row = gather(cell.bits)
    cdef uint32_t column = gather(cell.bits >> 1)
    cdef Cell other
    if northward:
        row = (row + <uint32_t> northward) & mask
    if eastward:
        column = (column + <uint32_t> eastward) & mask
    other.step = cell.step
    other.bits = spread(row) | spread(column) << 1
    return other


cdef int cells_at_edge(const Cell* cell, Cell* edges) noexcept nogil:
    """What lies on the map's very east or north has a column or row past the last one, and so a score of its own: where
    such places are that touch this cell, up to three. How many."""
    cdef uint32_t past = <uint32_t> 1 << cell.step
    cdef uint32_t row = gather(cell.bits)
    cdef uint32_t column = gather(cell.bits >> 1)
    cdef int count = 0
    if column + 1 == past:
        edges[count].bits = spread(row) | spread(past) << 1
        count += 1
    if row + 1 == past:
        edges[count].bits = spread(past) | spread(column) << 1
        count += 1
    if count == 2:
        edges[count].bits = spread(past) | spread(past) << 1
        count += 1
    edges[0].step = edges[1].step = edges[2].step = cell.step
    return count


# Distances, in metres


cdef inline double latitude_distance(double latitude, double other) noexcept nogil:
    return EARTH_RADIUS * fabs(other * RADIANS - latitude * RADIANS)


cdef inline double distance_from(double longitude, double latitude, double cosine, double other_longitude,
                                 double other_latitude) noexcept nogil:
    """Haversine distance; cosine is that of the first latitude."""
    cdef double v = sin((other_longitude * RADIANS - longitude * RADIANS) / 2)
    cdef double u
    if v == 0:
        return latitude_distance(latitude, other_latitude)
    u = sin((other_latitude * RADIANS - latitude * RADIANS) / 2)
    return 2.0 * EARTH_RADIUS * asin(sqrt(u * u + cosine * cos(other_latitude * RADIANS) * v * v))


cdef inline double distance_between(double longitude, double latitude, double other_longitude,
                                    double other_latitude) noexcept nogil:
    return distance_from(longitude, latitude, cos(latitude * RADIANS), other_longitude, other_latitude)


# Areas


cdef void bound_shape(Shape* shape) noexcept nogil:
    """Works out the rectangle around the shape."""
    cdef double height, width, latitude_delta, longitude_delta
    cdef int64_t i
    cdef double longitude, latitude
    cdef Bounds* bounds = &shape.bounds
    shape.cosine = cos(shape.latitude * RADIANS)
    if shape.kind == SHAPE_POLYGON:
        bounds.west = bounds.east = shape.vertices[0]
        bounds.south = bounds.north = shape.vertices[1]
        for i in range(1, shape.vertices_count):
            longitude = shape.vertices[2 * i]
            latitude = shape.vertices[2 * i + 1]
            bounds.west = longitude if longitude < bounds.west else bounds.west
            bounds.east = longitude if longitude > bounds.east else bounds.east
            bounds.south = latitude if latitude < bounds.south else bounds.south
            bounds.north = latitude if latitude > bounds.north else bounds.north
        return
    height = shape.unit * (shape.radius if shape.kind == SHAPE_CIRCLE else shape.height / 2)
    width = shape.unit * (shape.radius if shape.kind == SHAPE_CIRCLE else shape.width / 2)
    latitude_delta = height / EARTH_RADIUS / RADIANS
    # A degree of longitude is shortest at the end that is nearer to the pole.
    latitude = shape.latitude - latitude_delta if shape.latitude < 0 else shape.latitude + latitude_delta
    longitude_delta = width / EARTH_RADIUS / cos(latitude * RADIANS) / RADIANS
    bounds.west = shape.longitude - longitude_delta
    bounds.east = shape.longitude + longitude_delta
    bounds.south = shape.latitude - latitude_delta
    bounds.north = shape.latitude + latitude_delta


cdef double reach(const Shape* shape) noexcept nogil:
    """How far from the centre the shape goes at most."""
    cdef double farthest = 0
    cdef double distance
    cdef int64_t i
    if shape.kind == SHAPE_CIRCLE:
        return shape.radius * shape.unit
    if shape.kind == SHAPE_BOX:
        return sqrt((shape.width / 2) * (shape.width / 2) + (shape.height / 2) * (shape.height / 2)) * shape.unit
    for i in range(shape.vertices_count):
        distance = distance_between(shape.longitude, shape.latitude, shape.vertices[2 * i], shape.vertices[2 * i + 1])
        if distance > farthest:
            farthest = distance
    return farthest


cdef int step_for(double metres, double latitude) noexcept nogil:
    """The size of cells of which nine cover so wide an area, more or less."""
    cdef int step = 1
    if metres == 0:
        return STEP_MAX
    while metres < MERCATOR_MAX:
        metres *= 2
        step += 1
    step -= 2
    # Cells are narrower near the poles.
    if fabs(latitude) > 66:
        step -= 1
        if fabs(latitude) > 80:
            step -= 1
    return 1 if step < 1 else STEP_MAX if step > STEP_MAX else step


cdef void cells_around(const Shape* shape, int step, Cell* cells) noexcept nogil:
    """The cell of the centre, then those to its north, south, east, west, north-east, north-west, south-east and
    south-west."""
    cdef uint32_t last = (<uint32_t> 1 << step) - 1
    cells[0].step = step
    cells[0].bits = encode(shape.longitude, shape.latitude, LATITUDE_MAX, step)
    cells[0].bits = spread(min(gather(cells[0].bits), last)) | spread(min(gather(cells[0].bits >> 1), last)) << 1
    cells[1] = neighbour(&cells[0], 0, 1)
    cells[2] = neighbour(&cells[0], 0, -1)
    cells[3] = neighbour(&cells[0], 1, 0)
    cells[4] = neighbour(&cells[0], -1, 0)
    cells[5] = neighbour(&cells[0], 1, 1)
    cells[6] = neighbour(&cells[0], -1, 1)
    cells[7] = neighbour(&cells[0], 1, -1)
    cells[8] = neighbour(&cells[0], -1, -1)


cdef bint covers(const Shape* shape, const Cell* cells) noexcept nogil:
    """Whether the neighbours reach to the shape's bounds."""
    cdef Bounds north, south, east, west
    cell_bounds(&cells[1], &north)
    cell_bounds(&cells[2], &south)
    cell_bounds(&cells[3], &east)
    cell_bounds(&cells[4], &west)
    return (north.north >= shape.bounds.north and south.south <= shape.bounds.south
            and east.east >= shape.bounds.east and west.west <= shape.bounds.west)


cdef void cover(const Shape* shape, Cell* cells) noexcept nogil:
    """The cells to search. Those that lie outside of the shape's bounds have step 0."""
    cdef int step = step_for(reach(shape), shape.latitude)
    cdef Bounds bounds
    cells_around(shape, step, cells)
    if step > 1 and not covers(shape, cells):
        step -= 1
        cells_around(shape, step, cells)
    if step < 2:
        return
    cell_bounds(&cells[0], &bounds)
    if bounds.south < shape.bounds.south:
        cells[2].step = cells[7].step = cells[8].step = 0
    if bounds.north > shape.bounds.north:
        cells[1].step = cells[5].step = cells[6].step = 0
    if bounds.west < shape.bounds.west:
        cells[4].step = cells[6].step = cells[8].step = 0
    if bounds.east > shape.bounds.east:
        cells[3].step = cells[5].step = cells[7].step = 0


cdef bint polygon_contains(const Shape* shape, double longitude, double latitude) noexcept nogil:
    """Whether a ray from the point crosses the polygon's edges an odd number of times."""
    cdef const double* one
    cdef const double* other
    cdef bint inside = 0
    cdef int64_t i
    cdef int64_t previous = shape.vertices_count - 1
    for i in range(shape.vertices_count):
        one = shape.vertices + 2 * i
        other = shape.vertices + 2 * previous
        if (one[1] > latitude) != (other[1] > latitude) and \
                longitude < (other[0] - one[0]) * (latitude - one[1]) / (other[1] - one[1]) + one[0]:
            inside = not inside
        previous = i
    return inside


cdef inline bint contains(const Shape* shape, double longitude, double latitude, double* distance) noexcept nogil:
    """Whether the point is inside; its distance from the centre."""
    cdef double limit
    if shape.kind == SHAPE_CIRCLE:
        limit = shape.radius * shape.unit
        # What is clearly too far north or south needs no trigonometry.
        if latitude_distance(shape.latitude, latitude) > limit * 1.000001 + 1:
            return 0
        distance[0] = distance_from(shape.longitude, shape.latitude, shape.cosine, longitude, latitude)
        return distance[0] <= limit
    if shape.kind == SHAPE_BOX:
        if latitude_distance(latitude, shape.latitude) > shape.height * shape.unit / 2:
            return 0
        if distance_between(longitude, latitude, shape.longitude, latitude) > shape.width * shape.unit / 2:
            return 0
    elif not (shape.bounds.west <= longitude <= shape.bounds.east
              and shape.bounds.south <= latitude <= shape.bounds.north
              and polygon_contains(shape, longitude, latitude)):
        return 0
    distance[0] = distance_from(shape.longitude, shape.latitude, shape.cosine, longitude, latitude)
    return 1


# Searching


cdef Point* add_point(Core* core, Points* found) noexcept nogil:
    cdef size_t capacity = 2 * found.capacity if found.capacity else POINTS_FIRST
    cdef Point* grown
    if found.count == found.capacity:
        grown = <Point*> heap_realloc(core.heap, found.points, found.capacity * sizeof(Point),
                                      capacity * sizeof(Point)) if found.points != NULL else \
            <Point*> heap_alloc(core.heap, capacity * sizeof(Point))
        if grown == NULL:
            return NULL
        found.points = grown
        found.capacity = capacity
    found.count += 1
    return &found.points[found.count - 1]


cdef bint search_cell(Core* core, const SortedSetValue* value, const Cell* cell, const Shape* shape, size_t limit,
                      Points* found) noexcept nogil:
    """Adds the members of the cell that are inside, until there are limit; 0 where memory is out."""
    cdef ScoreRange range
    cdef SortedSetCursor cursor
    cdef Point* point
    cdef double longitude, latitude, distance
    cdef size_t first, count
    cdef int shift = 2 * (STEP_MAX - cell.step)
    range.least = <double> (cell.bits << shift)
    range.most = <double> ((cell.bits + 1) << shift)
    range.least_excluded = 0
    range.most_excluded = 1
    count = sorted_set_score_range(value, &range, &first)
    if count == 0:
        return 1
    sorted_set_seek(value, &cursor, first, 0, 1)
    while count:
        count -= 1
        sorted_set_next(&cursor)
        decode(cursor.score, &longitude, &latitude)
        if not contains(shape, longitude, latitude, &distance):
            continue
        point = add_point(core, found)
        if point == NULL:
            return 0
        point.longitude = longitude
        point.latitude = latitude
        point.distance = distance
        point.score = cursor.score
        point.data = cursor.data
        point.length = cursor.length
        if cursor.data == cursor.number:
            point.data = NULL
            memcpy(point.number, cursor.number, cursor.length)
        if limit and found.count >= limit:
            break
    return 1


cdef int add_edges(const Cell* cell, Cell* edges, int count) noexcept nogil:
    """Adds cells_at_edge where they are not among the edges yet; how many there are then."""
    cdef int added = cells_at_edge(cell, &edges[count])
    cdef int end = count + added
    cdef int i, j
    for i in range(count, end):
        for j in range(count):
            if edges[j].bits == edges[i].bits and edges[j].step == edges[i].step:
                break
        else:
            edges[count] = edges[i]
            count += 1
    return count


cdef bint search_cells(Core* core, const SortedSetValue* value, const Shape* shape, size_t limit,
                       Points* found) noexcept nogil:
    cdef Cell cells[CELLS]
    cdef Cell edges[EDGES_PER_CELL * (CELLS + 1)]
    cdef int edges_count = 0
    cdef int last = 0
    cdef int i
    cover(shape, cells)
    for i in range(CELLS):
        if cells[i].step == 0:
            continue
        # Of a huge area, cells can be the same one; it is enough to compare with the one before.
        if last and cells[i].bits == cells[last].bits and cells[i].step == cells[last].step:
            continue
        if found.count and limit and found.count >= limit:
            break
        if not search_cell(core, value, &cells[i], shape, limit, found):
            return 0
        last = i
        edges_count = add_edges(&cells[i], edges, edges_count)
    for i in range(edges_count):
        if found.count and limit and found.count >= limit:
            break
        if not search_cell(core, value, &edges[i], shape, limit, found):
            return 0
    return 1


cdef int compare_nearest(const void* one, const void* other) noexcept nogil:
    cdef double a = (<const Point*> one).distance
    cdef double b = (<const Point*> other).distance
    return (a > b) - (a < b)


cdef int compare_farthest(const void* one, const void* other) noexcept nogil:
    return compare_nearest(other, one)


cdef inline void swap_points(Point* points, size_t one, size_t other) noexcept nogil:
    cdef Point held = points[one]
    points[one] = points[other]
    points[other] = held


cdef void sort_points(Points* found, int order, size_t wanted) noexcept nogil:
    """Brings the first wanted points of the order to the front, in order."""
    cdef Point* points = found.points
    cdef size_t low = 0
    cdef size_t high = found.count
    cdef size_t left, right
    cdef double pivot
    cdef double sign = -1 if order == ORDER_FARTHEST else 1
    # Narrows down the part that the last one wanted is in, as long as that saves sorting.
    while wanted < high and high - low > 64:
        pivot = sign * points[low + (high - low) // 2].distance
        left = low
        right = high - 1
        while True:
            while sign * points[left].distance < pivot:
                left += 1
            while sign * points[right].distance > pivot:
                right -= 1
            if left >= right:
                break
            swap_points(points, left, right)
            left += 1
            right -= 1
        if left == low:
            left += 1
        if wanted <= left:
            high = left
        else:
            low = left
    qsort(points, high, sizeof(Point), compare_farthest if order == ORDER_FARTHEST else compare_nearest)


# Arguments and replies


cdef bint unit_or_reply(Client* client, int index, double* metres) noexcept nogil:
    cdef Argument* unit = &client.argv[index]
    if argument_is(unit, "M"):
        metres[0] = 1
    elif argument_is(unit, "KM"):
        metres[0] = 1000
    elif argument_is(unit, "FT"):
        metres[0] = 0.3048
    elif argument_is(unit, "MI"):
        metres[0] = 1609.34
    else:
        reply_error(&client.reply, "ERR unsupported unit provided. please use M, KM, FT, MI")
        return 0
    return 1


cdef bint position_or_reply(Client* client, int index, double* longitude, double* latitude) noexcept nogil:
    """The longitude at argument index and the latitude behind it."""
    cdef char text[1024]
    if not argument_double_or_reply(client, index, longitude, "ERR value is not a valid float") or \
            not argument_double_or_reply(client, index + 1, latitude, "ERR value is not a valid float"):
        return 0
    if fabs(longitude[0]) > LONGITUDE_MAX or fabs(latitude[0]) > LATITUDE_MAX:
        snprintf(text, sizeof(text), "ERR invalid longitude,latitude pair %f,%f", longitude[0], latitude[0])
        reply_error(&client.reply, text)
        return 0
    return 1


cdef bint radius_or_reply(Client* client, int index, Shape* shape) noexcept nogil:
    """The radius at argument index and its unit behind it."""
    shape.kind = SHAPE_CIRCLE
    if not argument_double_or_reply(client, index, &shape.radius, "ERR need numeric radius"):
        return 0
    if shape.radius < 0:
        reply_error(&client.reply, "ERR radius cannot be negative")
        return 0
    return unit_or_reply(client, index + 1, &shape.unit)


cdef bint box_or_reply(Client* client, int index, Shape* shape) noexcept nogil:
    shape.kind = SHAPE_BOX
    if not argument_double_or_reply(client, index, &shape.width, "ERR need numeric width") or \
            not argument_double_or_reply(client, index + 1, &shape.height, "ERR need numeric height"):
        return 0
    if shape.width < 0 or shape.height < 0:
        reply_error(&client.reply, "ERR height or width cannot be negative")
        return 0
    return unit_or_reply(client, index + 2, &shape.unit)


cdef bint polygon_or_reply(Core* core, Client* client, int* index, Search* search) noexcept nogil:
    """The number of vertices at argument *index and their positions behind it; *index becomes the last one's."""
    cdef Shape* shape = &search.shape
    cdef double x = 0
    cdef double y = 0
    cdef double z = 0
    cdef double longitude, latitude
    cdef int64_t i
    if not argument_at_least_or_reply(client, index[0], INT64_MIN, &shape.vertices_count,
                                      "ERR invalid number of vertices"):
        return 0
    if shape.vertices_count < 3 or shape.vertices_count > (client.argc - index[0] - 1) // 2:
        reply_error(&client.reply, "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices")
        return 0
    search.vertices_size = <size_t> shape.vertices_count * 2 * sizeof(double)
    search.vertices = <double*> heap_alloc(core.heap, search.vertices_size)
    if search.vertices == NULL:
        reply_out_of_memory(client)
        return 0
    for i in range(shape.vertices_count):
        if not position_or_reply(client, index[0] + 1 + 2 * <int> i, &longitude, &latitude):
            return 0
        search.vertices[2 * i] = longitude
        search.vertices[2 * i + 1] = latitude
        x += cos(latitude * RADIANS) * cos(longitude * RADIANS)
        y += cos(latitude * RADIANS) * sin(longitude * RADIANS)
        z += sin(latitude * RADIANS)
    # Distances count from the middle of the vertices on the sphere.
    shape.kind = SHAPE_POLYGON
    shape.unit = 1
    shape.vertices = search.vertices
    shape.longitude = atan2(y, x) / RADIANS
    shape.latitude = atan2(z, hypot(x, y)) / RADIANS
    index[0] += 2 * <int> shape.vertices_count
    return 1


cdef void reply_distance(Client* client, double distance) noexcept nogil:
    """A bulk string with four digits behind the point."""
    cdef char text[400]
    cdef int64_t scaled
    cdef int length
    if distance < 1e11:
        scaled = <int64_t> (distance * 10000 + 0.5)
        length = format_int64(text, scaled // 10000)
        text[length] = c'.'
        scaled = scaled % 10000 + 10000
        # The leading one gives way to the point.
        format_int64(text + length, scaled)
        text[length] = c'.'
        length += 1 + FRACTION_DIGITS
    else:
        length = snprintf(text, sizeof(text), "%.4f", distance)
    reply_bulk(&client.reply, text, length)


cdef void reply_position(Client* client, double longitude, double latitude) noexcept nogil:
    cdef char text[LONG_DOUBLE_TEXT_MAX]
    cdef double degrees = longitude
    cdef int length, i
    reply_array(&client.reply, 2)
    for i in range(2):
        length = format_long_double(text, degrees)
        if client.reply.protocol >= 3:
            reply_raw(&client.reply, b",", 1)
            reply_raw(&client.reply, text, length)
            reply_raw(&client.reply, b"\r\n", 2)
        else:
            reply_bulk(&client.reply, text, length)
        degrees = latitude


cdef inline Entry* read_index(Core* core, Client* client, bint* failed) noexcept nogil:
    """The index under the first key, or NULL; failed: it is something else, which has been answered."""
    cdef Entry* entry = lookup_read(core, client, 1)
    failed[0] = entry != NULL and not is_sorted_set_or_reply(client, entry)
    return entry


cdef bint find_position(const SortedSetValue* value, const Argument* member, double* longitude,
                        double* latitude) noexcept nogil:
    cdef double score
    if not sorted_set_find(value, member.data, member.length, &score):
        return 0
    decode(score, longitude, latitude)
    return 1


# Commands


cdef void geoadd_command(Core* core, Client* client) noexcept nogil:
    cdef int options = 0
    cdef bint count_changes = 0
    cdef int first = 2
    cdef int positions, i
    cdef int result = 0
    cdef int64_t added = 0
    cdef int64_t updated = 0
    cdef double longitude, latitude, score
    cdef SortedSetValue value
    cdef Entry** slot
    cdef Argument* member
    while first < client.argc:
        if argument_is(&client.argv[first], "NX"):
            options |= ADD_NEW
        elif argument_is(&client.argv[first], "XX"):
            options |= ADD_EXISTING
        elif argument_is(&client.argv[first], "CH"):
            count_changes = 1
        else:
            break
        first += 1
    if (client.argc - first) % 3 or client.argc == first or (options & ADD_NEW and options & ADD_EXISTING):
        reply_syntax_error(client)
        return
    positions = (client.argc - first) // 3
    for i in range(positions):
        if not position_or_reply(client, first + 3 * i, &longitude, &latitude):
            return
    slot = lookup_write(core, client, 1)
    if slot == NULL:
        if options & ADD_EXISTING:
            reply_integer(&client.reply, 0)
            return
        if sorted_set_new(core, &value, positions, client.argv[first + 2].length) != 0:
            reply_out_of_memory(client)
            return
    else:
        if not is_sorted_set_or_reply(client, slot[0]):
            return
        value = sorted_set_load(slot[0])
        if sorted_set_expect(core, &value, positions) != 0:
            reply_out_of_memory(client)
            return
    for i in range(positions):
        # They have been read without an error before.
        position_or_reply(client, first + 3 * i, &longitude, &latitude)
        score = <double> encode(longitude, latitude, LATITUDE_MAX, STEP_MAX)
        member = &client.argv[first + 3 * i + 2]
        result = sorted_set_add(core, &value, member.data, member.length, &score, options)
        added += result == ADD_ADDED
        updated += result == ADD_UPDATED
        if result == ADD_NO_MEMORY:
            break
    if slot != NULL:
        sorted_set_save(slot[0], &value)
    elif added == 0:
        sorted_set_release(core.heap, &value)
    elif not add_sorted_set_or_reply(core, client, 1, &value):
        return
    if added + updated:
        sorted_set_changed(core, client, 1, added + updated, "zadd")
    if result == ADD_NO_MEMORY:
        reply_out_of_memory(client)
    else:
        reply_integer(&client.reply, added + updated if count_changes else added)


cdef void geodist_command(Core* core, Client* client) noexcept nogil:
    cdef double unit = 1
    cdef double longitude, latitude, other_longitude, other_latitude
    cdef SortedSetValue value
    cdef Entry* entry
    cdef bint failed
    if client.argc > 5:
        reply_syntax_error(client)
        return
    if client.argc == 5 and not unit_or_reply(client, 4, &unit):
        return
    entry = read_index(core, client, &failed)
    if failed:
        return
    if entry != NULL:
        value = sorted_set_load(entry)
        if find_position(&value, &client.argv[2], &longitude, &latitude) and \
                find_position(&value, &client.argv[3], &other_longitude, &other_latitude):
            reply_distance(client, distance_between(longitude, latitude, other_longitude, other_latitude) / unit)
            return
    reply_null(&client.reply)


cdef void geohash_command(Core* core, Client* client) noexcept nogil:
    cdef char text[11]
    cdef double longitude, latitude
    cdef SortedSetValue value
    cdef uint64_t bits
    cdef bint failed
    cdef int i, j
    cdef Entry* entry = read_index(core, client, &failed)
    if failed:
        return
    if entry != NULL:
        value = sorted_set_load(entry)
    reply_array(&client.reply, client.argc - 2)
    for i in range(2, client.argc):
        if entry == NULL or not find_position(&value, &client.argv[i], &longitude, &latitude):
            reply_null(&client.reply)
            continue
        # The common geohash takes latitudes up to the poles; of its 55 bits the last ones are not known.
        bits = encode(longitude, latitude, 90, STEP_MAX)
        for j in range(10):
            text[j] = GEOHASH_ALPHABET[(bits >> (2 * STEP_MAX - 5 * (j + 1))) & 31]
        text[10] = c'0'
        reply_bulk(&client.reply, text, 11)


cdef void geopos_command(Core* core, Client* client) noexcept nogil:
    cdef double longitude, latitude
    cdef SortedSetValue value
    cdef bint failed
    cdef int i
    cdef Entry* entry = read_index(core, client, &failed)
    if failed:
        return
    if entry != NULL:
        value = sorted_set_load(entry)
    reply_array(&client.reply, client.argc - 2)
    for i in range(2, client.argc):
        if entry == NULL or not find_position(&value, &client.argv[i], &longitude, &latitude):
            reply_null_array(&client.reply)
        else:
            reply_position(client, longitude, latitude)


cdef bint centre_or_reply(Core* core, Client* client, const SortedSetValue* value, int member,
                          Search* search) noexcept nogil:
    cdef char text[160]
    if not find_position(value, &client.argv[member], &search.shape.longitude, &search.shape.latitude):
        if core.settings.geo_names_member:
            snprintf(text, sizeof(text), "ERR member %.*s does not exist",
                     <int> (client.argv[member].length if client.argv[member].length < 128 else 128),
                     client.argv[member].data)
            reply_error(&client.reply, text)
        else:
            reply_error(&client.reply, "ERR could not decode requested zset member")
        return 0
    return 1


cdef bint search_options_or_reply(Core* core, Client* client, int first, bint by_options, bint storable, bint has_key,
                                  const SortedSetValue* value, Search* search) noexcept nogil:
    """Reads options from argument first on. by_options: centre and shape are among them (GEOSEARCH)."""
    cdef Shape* shape = &search.shape
    cdef Argument* option
    cdef bint storing = by_options and storable
    cdef int i = first
    cdef int left
    while i < client.argc:
        option = &client.argv[i]
        left = client.argc - i - 1
        if argument_is(option, "WITHDIST"):
            search.distances = 1
        elif argument_is(option, "WITHHASH"):
            search.hashes = 1
        elif argument_is(option, "WITHCOORD"):
            search.coordinates = 1
        elif argument_is(option, "ANY"):
            search.any = 1
        elif argument_is(option, "ASC"):
            search.order = ORDER_NEAREST
        elif argument_is(option, "DESC"):
            search.order = ORDER_FARTHEST
        elif left >= 1 and argument_is(option, "COUNT"):
            if not argument_integer_or_reply(client, i + 1, &search.count):
                return 0
            if search.count <= 0:
                reply_error(&client.reply, "ERR COUNT must be > 0")
                return 0
            i += 1
        elif not by_options and storable and left >= 1 and (
                argument_is(option, "STORE") or argument_is(option, "STOREDIST")):
            search.store_distances = argument_is(option, "STOREDIST")
            search.destination = i + 1
            i += 1
        elif by_options and left >= 1 and not search.has_centre and shape.kind != SHAPE_POLYGON and \
                argument_is(option, "FROMMEMBER"):
            # Without an index the rest is still read for errors.
            if has_key and not centre_or_reply(core, client, value, i + 1, search):
                return 0
            search.has_centre = 1
            i += 1
        elif by_options and left >= 2 and not search.has_centre and shape.kind != SHAPE_POLYGON and \
                argument_is(option, "FROMLONLAT"):
            if not position_or_reply(client, i + 1, &shape.longitude, &shape.latitude):
                return 0
            search.has_centre = 1
            i += 2
        elif by_options and left >= 2 and shape.kind <= SHAPE_CIRCLE and argument_is(option, "BYRADIUS"):
            if not radius_or_reply(client, i + 1, shape):
                return 0
            i += 2
        elif by_options and left >= 3 and (shape.kind == SHAPE_NONE or shape.kind == SHAPE_BOX) and \
                argument_is(option, "BYBOX"):
            if not box_or_reply(client, i + 1, shape):
                return 0
            i += 3
        elif by_options and left >= 1 and shape.kind == SHAPE_NONE and not search.has_centre and \
                argument_is(option, "BYPOLYGON"):
            i += 1
            if not polygon_or_reply(core, client, &i, search):
                return 0
        elif storing and argument_is(option, "STOREDIST"):
            search.store_distances = 1
        else:
            reply_syntax_error(client)
            return 0
        i += 1
    return 1


cdef bint search_is_whole_or_reply(Client* client, bint by_options, Search* search) noexcept nogil:
    """Checks how the options go together."""
    cdef char text[512]
    cdef int length = <int> client.argv[0].length if client.argv[0].length < 128 else 128
    if search.destination and (search.distances or search.hashes or search.coordinates):
        snprintf(text, sizeof(text), "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                 b"GEOSEARCHSTORE" if by_options else b"STORE option in GEORADIUS")
    elif by_options and not search.has_centre and search.shape.kind != SHAPE_POLYGON:
        snprintf(text, sizeof(text), "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s", length,
                 client.argv[0].data)
    elif by_options and search.shape.kind == SHAPE_NONE:
        snprintf(text, sizeof(text), "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", length,
                 client.argv[0].data)
    elif search.any and not search.count:
        snprintf(text, sizeof(text), "ERR the ANY argument requires COUNT argument")
    else:
        return 1
    reply_error(&client.reply, text)
    return 0


cdef inline char* point_text(Point* point) noexcept nogil:
    return point.data if point.data != NULL else point.number


cdef void reply_points(Client* client, const Search* search, Points* found, size_t count) noexcept nogil:
    cdef int more = search.distances + search.hashes + search.coordinates
    cdef Point* point
    cdef size_t i
    reply_array(&client.reply, <int64_t> count)
    for i in range(count):
        point = &found.points[i]
        if more:
            reply_array(&client.reply, more + 1)
        reply_bulk(&client.reply, point_text(point), point.length)
        if search.distances:
            reply_distance(client, point.distance / search.shape.unit)
        if search.hashes:
            reply_integer(&client.reply, <int64_t> point.score)
        if search.coordinates:
            reply_position(client, point.longitude, point.latitude)


cdef void store_points(Core* core, Client* client, const Search* search, Points* found, size_t count) noexcept nogil:
    cdef SortedSetValue result
    cdef Point* point
    cdef size_t i
    if sorted_set_new(core, &result, count, 0) != 0:
        reply_out_of_memory(client)
        return
    for i in range(count):
        point = &found.points[i]
        if sorted_set_insert(core, &result, point_text(point), point.length,
                             point.distance / search.shape.unit if search.store_distances else point.score) != 0:
            sorted_set_release(core.heap, &result)
            reply_out_of_memory(client)
            return
    # The destination of GEOSEARCHSTORE stands first; GEORADIUS has it behind its key.
    store_sorted_set_and_reply(core, client, search.destination, &result,
                               "geosearchstore" if search.destination == 1 else "georadiusstore")


cdef void run_search(Core* core, Client* client, const SortedSetValue* value, Search* search) noexcept nogil:
    """Searches and answers or stores; value: NULL where there is no index."""
    cdef Points found
    cdef size_t count
    found.points = NULL
    found.count = 0
    found.capacity = 0
    # The nearest are meant where a number is asked for and no order.
    if search.count and search.order == ORDER_NONE and not search.any:
        search.order = ORDER_NEAREST
    if value != NULL:
        bound_shape(&search.shape)
        if not search_cells(core, value, &search.shape, <size_t> search.count if search.any else 0, &found):
            heap_free(core.heap, found.points, found.capacity * sizeof(Point))
            reply_out_of_memory(client)
            return
    count = found.count
    if search.count and <int64_t> count > search.count:
        count = <size_t> search.count
    if search.order != ORDER_NONE and found.count:
        sort_points(&found, search.order, count)
    if search.destination:
        store_points(core, client, search, &found, count)
    else:
        reply_points(client, search, &found, count)
    heap_free(core.heap, found.points, found.capacity * sizeof(Point))


cdef void search_index(Core* core, Client* client, int key, int first, bint by_options, bint from_member,
                       bint storable) noexcept nogil:
    """All searches. key: argument of the index; first: that of the first option."""
    cdef Search search
    cdef SortedSetValue value
    cdef Entry* entry = lookup_read(core, client, key)
    cdef bint valid = 1
    search.shape.kind = SHAPE_NONE
    search.order = ORDER_NONE
    search.count = 0
    search.any = search.distances = search.hashes = search.coordinates = 0
    search.store_distances = search.has_centre = 0
    search.destination = 1 if by_options and storable else 0
    search.vertices = NULL
    search.vertices_size = 0
    if entry != NULL:
        if not is_sorted_set_or_reply(client, entry):
            return
        value = sorted_set_load(entry)
    if by_options:
        pass
    elif not from_member:
        valid = position_or_reply(client, 2, &search.shape.longitude, &search.shape.latitude) and \
            radius_or_reply(client, 4, &search.shape)
    elif entry != NULL:
        # Without an index, not even the radius is looked at.
        valid = centre_or_reply(core, client, &value, 2, &search) and radius_or_reply(client, 3, &search.shape)
    if valid and search_options_or_reply(core, client, first, by_options, storable, entry != NULL, &value, &search) \
            and search_is_whole_or_reply(client, by_options, &search):
        run_search(core, client, &value if entry != NULL else NULL, &search)
    heap_free(core.heap, search.vertices, search.vertices_size)


cdef void georadius_command(Core* core, Client* client) noexcept nogil:
    search_index(core, client, 1, 6, 0, 0, 1)


cdef void georadius_ro_command(Core* core, Client* client) noexcept nogil:
    search_index(core, client, 1, 6, 0, 0, 0)


cdef void georadiusbymember_command(Core* core, Client* client) noexcept nogil:
    search_index(core, client, 1, 5, 0, 1, 1)


cdef void georadiusbymember_ro_command(Core* core, Client* client) noexcept nogil:
    search_index(core, client, 1, 5, 0, 1, 0)


cdef void geosearch_command(Core* core, Client* client) noexcept nogil:
    search_index(core, client, 1, 2, 1, 0, 0)


cdef void geosearchstore_command(Core* core, Client* client) noexcept nogil:
    search_index(core, client, 2, 3, 1, 0, 1)


COMMANDS = [
    native(
        "geoadd", <size_t> &geoadd_command, -5, "write denyoom", keys="RW UPDATE @ 1", group="geo", since="3.2.0",
        syntax="key [condition:(NX | XX)@6.2.0] [change=CH@6.2.0] data:(longitude:double latitude:double member)...",
        summary="Adds members with their positions to a geospatial index.",
        complexity="O(log(N)) a member, for N members in the index",
    ),
    native(
        "geodist", <size_t> &geodist_command, -4, "readonly", keys="RO ACCESS @ 1", group="geo", since="3.2.0",
        syntax="key member1 member2 [unit:('m' | 'km' | 'ft' | 'mi')]",
        summary="Returns the distance between two members of a geospatial index.", complexity="O(1)",
    ),
    native(
        "geohash", <size_t> &geohash_command, -2, "readonly", keys="RO ACCESS @ 1", group="geo", since="3.2.0",
        syntax="key [member...]",
        summary="Returns the geohash strings of members of a geospatial index.", complexity="O(1) a member",
    ),
    native(
        "geopos", <size_t> &geopos_command, -2, "readonly", keys="RO ACCESS @ 1", group="geo", since="3.2.0",
        syntax="key [member...]",
        summary="Returns the positions of members of a geospatial index.", complexity="O(1) a member",
    ),
    native(
        "georadius", <size_t> &georadius_command, -6, "write denyoom",
        keys="RO ACCESS @ 1; OW UPDATE VARIABLE_FLAGS @ STORE>6; OW UPDATE VARIABLE_FLAGS @ STOREDIST>6", group="geo",
        since="3.2.0",
        deprecated=("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`"),
        syntax=(
            "key longitude:double latitude:double radius:double unit:('m' | 'km' | 'ft' | 'mi') [WITHCOORD] "
            "[WITHDIST] [WITHHASH] [count-block:(COUNT count:integer [ANY@6.2.0])] [order:(ASC | DESC)] "
            "[store:(STORE storekey:key~key#1 | STOREDIST storedistkey:key~key#2)]"
        ),
        summary="Finds the members within a distance of a position, and stores them on request.",
        complexity="O(N+log(M)) for N members near the area and M in the index",
    ),
    native(
        "georadiusbymember", <size_t> &georadiusbymember_command, -5, "write denyoom",
        keys="RO ACCESS @ 1; OW UPDATE VARIABLE_FLAGS @ STORE>5; OW UPDATE VARIABLE_FLAGS @ STOREDIST>5", group="geo",
        since="3.2.0",
        deprecated=("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`"),
        syntax=(
            "key member radius:double unit:('m' | 'km' | 'ft' | 'mi') [WITHCOORD] [WITHDIST] [WITHHASH] "
            "[count-block:(COUNT count:integer [ANY])] [order:(ASC | DESC)] [store:(STORE storekey:key~key#1 | "
            "STOREDIST storedistkey:key~key#2)]"
        ),
        summary="Finds the members within a distance of a member, and stores them on request.",
        complexity="O(N+log(M)) for N members near the area and M in the index",
    ),
    native(
        "georadiusbymember_ro", <size_t> &georadiusbymember_ro_command, -5, "readonly", keys="RO ACCESS @ 1",
        group="geo", since="3.2.10",
        deprecated=("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`"),
        syntax=(
            "key member radius:double unit:('m' | 'km' | 'ft' | 'mi') [WITHCOORD] [WITHDIST] [WITHHASH] "
            "[count-block:(COUNT count:integer [ANY])] [order:(ASC | DESC)]"
        ),
        summary="Finds the members within a distance of a member.",
        complexity="O(N+log(M)) for N members near the area and M in the index",
    ),
    native(
        "georadius_ro", <size_t> &georadius_ro_command, -6, "readonly", keys="RO ACCESS @ 1", group="geo",
        since="3.2.10",
        deprecated=("6.2.0", "`GEOSEARCH` with `BYRADIUS`"),
        syntax=(
            "key longitude:double latitude:double radius:double unit:('m' | 'km' | 'ft' | 'mi') [WITHCOORD] "
            "[WITHDIST] [WITHHASH] [count-block:(COUNT count:integer [ANY@6.2.0])] [order:(ASC | DESC)]"
        ),
        summary="Finds the members within a distance of a position.",
        complexity="O(N+log(M)) for N members near the area and M in the index",
    ),
    native(
        "geosearch", <size_t> &geosearch_command, -7, "readonly", keys="RO ACCESS @ 1", group="geo", since="6.2.0",
        syntax=(
            "key [from:(FROMMEMBER member | FROMLONLAT (longitude:double latitude:double))] by:(circle:(BYRADIUS "
            "radius:double unit:('m' | 'km' | 'ft' | 'mi')) | box:(BYBOX width:double height:double unit:('m' | "
            "'km' | 'ft' | 'mi')) | polygon:(BYPOLYGON num-vertices:integer vertices:(longitude:double "
            "latitude:double)...)@9.0.0) [order:(ASC | DESC)] [count-block:(COUNT count:integer [ANY])] [WITHCOORD] "
            "[WITHDIST] [WITHHASH]"
        ),
        summary="Finds the members of a geospatial index within an area.",
        complexity="O(N+log(M)) for N members near the area and M in the index",
    ),
    native(
        "geosearchstore", <size_t> &geosearchstore_command, -8, "write denyoom", keys="OW UPDATE @ 1; RO ACCESS @ 2",
        group="geo", since="6.2.0",
        syntax=(
            "destination:key source:key#1 [from:(FROMMEMBER member | FROMLONLAT (longitude:double "
            "latitude:double))] by:(circle:(BYRADIUS radius:double unit:('m' | 'km' | 'ft' | 'mi')) | box:(BYBOX "
            "width:double height:double unit:('m' | 'km' | 'ft' | 'mi')) | polygon:(BYPOLYGON num-vertices:integer "
            "vertices:(longitude:double latitude:double)...)@9.0.0) [order:(ASC | DESC)] [count-block:(COUNT "
            "count:integer [ANY])] [STOREDIST]"
        ),
        summary="Stores the members of a geospatial index within an area.",
        complexity="O(N+log(M)) for N members near the area and M in the index",
    ),
]
