import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cubestore.cloud import CLOUD_CLASS, from_modis_state, from_qa_pixel, from_scl
from cubestore.errors import MismatchError

CLEAR, THICK, THIN, SHADOW, UNKNOWN = 0, 1, 2, 3, 255


def scl_oracle(value):
    for values, answer in [
        ({8, 9}, THICK),
        ({10}, THIN),
        ({3}, SHADOW),
        ({2, 4, 5, 6, 7, 11}, CLEAR),
    ]:
        if value in values:
            return answer
    return UNKNOWN


def qa_pixel_oracle(value):
    bits = format(value, "016b")[::-1]
    if bits[0] == "1":
        return UNKNOWN
    if bits[3] == "1" or bits[1] == "1":
        return THICK
    if bits[4] == "1":
        return SHADOW
    if bits[2] == "1":
        return THIN
    return CLEAR


def modis_state_oracle(value):
    if value == 65535:
        return UNKNOWN
    bits = format(value, "016b")
    cloud_state, shadow, cirrus = bits[-2:], bits[-3], bits[-10:-8]
    if cloud_state == "01":
        return THICK
    if shadow == "1":
        return SHADOW
    if cloud_state == "10" or cirrus in {"10", "11"}:
        return THIN
    return CLEAR


MASKS = [
    (from_scl, scl_oracle, "uint8"),
    (from_qa_pixel, qa_pixel_oracle, "uint16"),
    (from_modis_state, modis_state_oracle, "uint16"),
]


@pytest.mark.parametrize(
    ("scl", "expected"),
    [
        (0, UNKNOWN),  # no data
        (1, UNKNOWN),  # saturated or defective
        (2, CLEAR),  # dark, topographic shadow
        (3, SHADOW),
        (7, CLEAR),  # unclassified
        (8, THICK),  # medium probability
        (9, THICK),  # high probability
        (10, THIN),  # thin cirrus
        (11, CLEAR),  # snow
        (12, UNKNOWN),  # no value of SCL's
        (255, UNKNOWN),
    ],
)
def test_scl_becomes_a_cloud_class(scl, expected):
    assert from_scl(np.array([scl], "uint8")) == [expected]


@pytest.mark.parametrize(
    ("qa_pixel", "expected"),
    [
        (1, UNKNOWN),  # fill
        (21824, CLEAR),  # the commonest value of clear land
        (21952, CLEAR),  # of clear water
        (22280, THICK),  # high confidence cloud
        (21826, THICK),  # only dilated cloud
        (23888, SHADOW),
        (54596, THIN),  # high confidence cirrus
        (0b10100, SHADOW),  # shadow and cirrus: shadow comes first
        (0b11110, THICK),  # everything: thick cloud comes first
        (0b11111, UNKNOWN),  # fill comes before all
        (0b100000, CLEAR),  # snow is clear
    ],
)
def test_qa_pixel_becomes_a_cloud_class(qa_pixel, expected):
    assert from_qa_pixel(np.array([qa_pixel], "uint16")) == [expected]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (0b00, CLEAR),
        (0b01, THICK),
        (0b10, THIN),  # mixed
        (0b11, CLEAR),  # not set, assumed clear
        (0b100, SHADOW),
        (0b101, THICK),  # cloudy and in shadow: thick cloud comes first
        (0b110, SHADOW),  # mixed and in shadow: shadow comes first
        (1 << 8, CLEAR),  # little cirrus
        (2 << 8, THIN),
        (3 << 8, THIN),
        (1 << 10, CLEAR),  # the internal algorithm's cloud is not asked
        (65534, SHADOW),  # all bits but the first
        (65535, UNKNOWN),  # fill
    ],
)
def test_modis_state_becomes_a_cloud_class(state, expected):
    assert from_modis_state(np.array([state], "uint16")) == [expected]


@pytest.mark.parametrize(("convert", "oracle", "dtype"), MASKS)
def test_every_value_agrees_with_the_rules_read_literally(convert, oracle, dtype):
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    np.testing.assert_array_equal(convert(values), [oracle(int(value)) for value in values])


@pytest.mark.parametrize(("convert", "oracle", "dtype"), MASKS)
@given(data=st.data())
def test_shapes_and_byte_orders_are_kept_apart_from_values(convert, oracle, dtype, data):
    order = data.draw(st.sampled_from("<>"))
    mask = data.draw(hnp.arrays(np.dtype(dtype).newbyteorder(order), hnp.array_shapes(max_side=4)))
    classes = convert(mask)
    assert classes.dtype == CLOUD_CLASS.dtype
    assert classes.shape == mask.shape
    assert classes.ravel().tolist() == [oracle(int(value)) for value in mask.ravel()]


@pytest.mark.parametrize(("convert", "oracle", "dtype"), MASKS)
def test_every_class_has_a_meaning(convert, oracle, dtype):  # noqa: ARG001
    classes = convert(np.arange(np.iinfo(dtype).max + 1, dtype=dtype))
    assert set(np.unique(classes).tolist()) == {flag.value for flag in CLOUD_CLASS.flags}


@pytest.mark.parametrize(
    ("convert", "dtype"),
    [
        (from_scl, "int16"),  # negative values would count from the table's end
        (from_scl, "uint16"),
        (from_scl, "float32"),  # filled with NaN
        (from_scl, "bool"),
        (from_qa_pixel, "uint8"),
        (from_qa_pixel, "int32"),
        (from_modis_state, "uint32"),  # sur_refl_qc_500m, taken for the state
    ],
)
def test_a_mask_of_another_dtype_is_refused(convert, dtype):
    with pytest.raises(MismatchError, match=dtype):
        convert(np.zeros(2, dtype))


def test_the_classes_given_out_can_be_written_to():
    classes = from_scl(np.zeros(3, "uint8"))
    classes[:] = CLEAR
    assert from_scl(np.zeros(1, "uint8")) == [UNKNOWN]


def test_no_data_is_unknown():
    assert CLOUD_CLASS.nodata == UNKNOWN
    assert not CLOUD_CLASS.masked
