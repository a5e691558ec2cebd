/* native/decimal.h against long multiplication, digit by digit. Input: a byte for the scale, then the text. */
#include "tests/fuzz/c/harness.h"

#include "native/decimal.h"

/* Digits, a point between digits at most: the grammar, written once more. */
static int follows_grammar(const char *text, size_t size) {
    size_t at = 0, digits = 0;
    while (at < size && text[at] >= '0' && text[at] <= '9') at++;
    if (at == 0) return 0;
    if (at == size) return 1;
    if (text[at++] != '.') return 0;
    while (at < size && text[at] >= '0' && text[at] <= '9') at++, digits++;
    return digits > 0 && at == size;
}

/* The value at a scale in 128 bits: 1 exact, 0 out of scale, -1 too large. */
static int reference(const char *text, size_t size, unsigned decimals, uint128_t most, uint128_t *out) {
    uint128_t value = 0;
    unsigned fraction = 0;
    int has_point = 0, exact = 1, fits = 1;
    for (size_t i = 0; i < size || fraction < decimals; i++) {
        unsigned digit = i < size && text[i] != '.' ? (unsigned)(text[i] - '0') : 0;
        if (i >= size) has_point = 1;
        if (i < size && text[i] == '.') {
            has_point = 1;
            continue;
        }
        if (has_point && fraction == decimals) {
            exact = exact && digit == 0;
            continue;
        }
        fraction += (unsigned)has_point;
        if (value > (most - digit) / 10) fits = 0;
        if (fits) value = value * 10 + digit;
    }
    *out = value;
    return !exact ? 0 : fits ? 1 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    unsigned decimals = data[0] % 20; /* 19 is more than the scale may be */
    size -= 1;
    char *text = (char *)exact_copy(data + 1, size);
    const int64_t untouched = -77;
    int64_t value = untouched, slow = untouched, back = 0;
    int128_t money = 0;
    uint128_t expected = 0;

    int status = decimal_parse(text, size, decimals, &value);
    CHECK(decimal_parse_any(text, size, decimals, &slow) == status && slow == value);
    CHECK((status == DECIMAL_OK) == (value != untouched));
    if (decimals <= DECIMAL_MAX_DECIMALS) {
        int is_number = follows_grammar(text, size);
        CHECK(is_number == (status == DECIMAL_OK || status == DECIMAL_OUT_OF_SCALE || status == DECIMAL_OVERFLOW));
        if (is_number) {
            int verdict = reference(text, size, decimals, (uint128_t)INT64_MAX, &expected);
            CHECK(verdict == (status == DECIMAL_OK ? 1 : status == DECIMAL_OUT_OF_SCALE ? 0 : -1));
            if (verdict == 1) CHECK((uint128_t)value == expected);
        }
    }

    int money_status = decimal_parse_money(text, size, &money);
    if (status == DECIMAL_OK && decimals <= DECIMAL_MAX_DECIMALS) {
        CHECK(money_status == DECIMAL_OK || money_status == DECIMAL_OVERFLOW);
        if (money_status == DECIMAL_OK)
            CHECK(decimal_money_to_units(money, decimals, &back) == DECIMAL_OK && back == value);
    }
    if (money_status == DECIMAL_OK) {
        int negative = text[0] == '-';
        uint128_t most = ~(uint128_t)0 >> 1;
        CHECK(follows_grammar(text + negative, size - (size_t)negative));
        CHECK(reference(text + negative, size - (size_t)negative, DECIMAL_MONEY_DECIMALS, most, &expected) == 1);
        CHECK(money == (negative ? -(int128_t)expected : (int128_t)expected));
        CHECK(int128_join(int128_low(money), int128_high(money)) == money);
    }
    free(text);
    return 0;
}
