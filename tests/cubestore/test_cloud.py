import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cubestore.cloud import CLOUD_CLASS, from_modis_state, from_qa_pixel, from_scl, harmonise
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


# Other algorithms' labels, as the data set's card compares them.

CARD = [
    ("KappaMask", {0: 255, 1: 0, 2: 3, 3: 2, 4: 1, 5: 255}),
    (
        "Sen2Cor",
        {0: 255, 1: 255, 2: 0, 3: 3, 4: 0, 5: 0, 6: 0, 7: 255, 8: 1, 9: 1, 10: 2, 11: 0},
    ),
    ("Fmask", {0: 0, 1: 0, 2: 3, 3: 0, 4: 1, 255: 255}),
    ("s2cloudless", {0: 0, 49: 0, 50: 1, 100: 1, 101: 255, 255: 255}),
    ("CD-FCNN", {0: 0, 49: 0, 50: 1, 100: 1, 255: 255}),
    ("QA60", {0: 0, 1024: 1, 2048: 2, 3072: 255, 1: 255, 255: 255}),
    ("CloudSEN12", {0: 0, 1: 1, 2: 2, 3: 3, 4: 255, 99: 255, 255: 255}),
]


@pytest.mark.parametrize(("scheme", "rows"), CARD, ids=[scheme for scheme, _ in CARD])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "int64"])
def test_labels_are_harmonised_as_the_card_has_them(scheme, rows, dtype):
    classes = harmonise(np.array(list(rows), dtype), scheme)
    assert classes.dtype == CLOUD_CLASS.dtype
    assert classes.tolist() == list(rows.values())


@pytest.mark.parametrize("scheme", ["kappamask", "sen2cor", "fmask", "s2cloudless", "cd_fcnn"])
def test_255_that_became_minus_1_is_unknown(scheme):
    assert harmonise(np.array([[-1, -99]], "int8"), scheme).tolist() == [[UNKNOWN, UNKNOWN]]


def test_the_threshold_is_the_callers():
    labels = np.array([0, 1, 39, 40, 60], "uint8")
    assert harmonise(labels, "s2cloudless", threshold=40).tolist() == [0, 0, 0, 1, 1]
    assert harmonise(labels[:2], "s2cloudless", threshold=1).tolist() == [0, 1]  # already binary


@given(
    data=st.data(),
    scheme=st.sampled_from([name for name, _ in CARD]),
    dtype=st.sampled_from(["int16", "uint16", "int32"]),
)
def test_every_code_is_a_class_or_unknown(data, scheme, dtype):
    labels = data.draw(hnp.arrays(dtype, hnp.array_shapes(max_side=5)))
    classes = harmonise(labels, scheme)
    assert classes.shape == labels.shape
    assert set(np.unique(classes).tolist()) <= {flag.value for flag in CLOUD_CLASS.flags}


@pytest.mark.parametrize(
    ("labels", "scheme", "options", "problem"),
    [
        (np.zeros(2, "uint8"), "QA60", {}, "qa60 of dtype uint8"),  # 1024 has become 0
        (np.zeros(2, "int8"), "qa60", {}, "qa60 of dtype int8"),
        (np.zeros(2, "float32"), "fmask", {}, "fmask of dtype float32"),
        (np.zeros(2, "bool"), "sen2cor", {}, "sen2cor of dtype bool"),
        (np.zeros(2, "uint8"), "maja", {}, "Labels of 'maja'"),
        (np.zeros(2, "uint8"), "s2cloudless", {"threshold": 0}, "A threshold of 0 percent"),
        (np.zeros(2, "uint8"), "s2cloudless", {"threshold": 101}, "A threshold of 101 percent"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(labels, scheme, options, problem):
    with pytest.raises(MismatchError, match=problem):
        harmonise(labels, scheme, **options)
