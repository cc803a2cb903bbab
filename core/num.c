/* num.c -- floating-point numbers in and out of text, blind to the locale (str.h).
 *
 * Reading: a decimal whose digits fit 2^53 and whose power of ten is at most 22 is one correctly
 * rounded multiplication or division (Clinger 1990); the rest goes to strtod_l in the C locale.
 *
 * Printing: the shortest decimal that reads back. Values that are an integer over a power of ten
 * below 10^15 are found by trying the powers. Others of a usual size, with 16 or 17 digits, are
 * worked out exactly in 128 bits; the rest tries 15, 16 and 17 digits with printf.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "core/str.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

static const double powers_of_ten[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* --- reading --- */

struct decimal_in {
    uint64_t mantissa;
    int exponent;  /* of ten */
    bool exact;    /* mantissa holds every digit */
    size_t length; /* bytes used; 0: no number */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t scan_exponent(struct str s, size_t at, int *exponent)
{
    size_t i = at + 1;
    bool negative = i < s.len && s.p[i] == '-';
    if (i < s.len && (s.p[i] == '-' || s.p[i] == '+')) i++;
    if (i >= s.len || !is_digit(s.p[i])) return at;
    int e = 0;
    for (; i < s.len && is_digit(s.p[i]); i++)
        if (e < 100000) e = e * 10 + (s.p[i] - '0');
    *exponent += negative ? -e : e;
    return i;
}

static struct decimal_in scan_decimal(struct str s)
{
    struct decimal_in d = {.exact = true};
    size_t i = 0, digits = 0;
    bool point = false;
    for (; i < s.len; i++) {
        char c = s.p[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(c)) break;
        digits++;
        if (d.mantissa <= (UINT64_MAX - 9) / 10) {
            d.mantissa = d.mantissa * 10 + (uint64_t)(c - '0');
            d.exponent -= point;
        } else {
            d.exact = d.exact && c == '0';
            d.exponent += !point;
        }
    }
    if (!digits) return d;
    if (i < s.len && (s.p[i] == 'e' || s.p[i] == 'E')) i = scan_exponent(s, i, &d.exponent);
    d.length = i;
    return d;
}

static bool clinger(const struct decimal_in *d, double *out)
{
    if (!d->exact || d->mantissa > UINT64_C(1) << 53) return false;
    if (d->exponent < -22 || d->exponent > 22) return false;
    double m = (double)d->mantissa;
    *out = d->exponent < 0 ? m / powers_of_ten[-d->exponent] : m * powers_of_ten[d->exponent];
    return true;
}

static double c_strtod(const char *text)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc: a static object, no memory */
    return c ? strtod_l(text, NULL, c) : strtod(text, NULL);
}

/* strtod of a slice that is known to be a number. */
static int slow_double(struct str s, double *out)
{
    char small[128];
    char *text = s.len < sizeof small ? small : mem_alloc(s.len + 1);
    if (!text) return -ENOMEM;
    memcpy(text, s.p, s.len);
    text[s.len] = '\0';
    *out = c_strtod(text);
    if (text != small) mem_free(text);
    return 0;
}

size_t str_scan_double(struct str s, double *out)
{
    bool sign = s.len && (s.p[0] == '-' || s.p[0] == '+');
    struct str digits = {s.p + sign, s.len - sign};
    struct decimal_in d = scan_decimal(digits);
    if (!d.length) return 0;
    double v;
    if (!clinger(&d, &v) && slow_double((struct str){digits.p, d.length}, &v)) return 0;
    *out = sign && s.p[0] == '-' ? -v : v;
    return d.length + sign;
}

static bool is_hex_float(struct str s)
{
    if (s.len < 3 || s.p[0] != '0' || (s.p[1] | 32) != 'x') return false;
    size_t i = 2, digits = 0;
    bool point = false;
    for (; i < s.len; i++) {
        char c = s.p[i];
        if (c == '.' && !point)
            point = true;
        else if (is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f'))
            digits++;
        else
            break;
    }
    if (!digits || i >= s.len || (s.p[i] | 32) != 'p') return false; /* Go wants the exponent */
    int exponent = 0;
    return scan_exponent(s, i, &exponent) == s.len;
}

static bool special_value(struct str s, double *out)
{
    static const struct {
        struct str text;
        double value;
    } names[] = {
        {STR("inf"),      HUGE_VAL},
        {STR("infinity"), HUGE_VAL},
        {STR("nan"),      0       }
    };
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq_nocase(s, names[i].text)) {
            uint64_t nan_bits = UINT64_C(0x7ff8000000000001); /* Go's math.NaN() */
            *out = names[i].value;
            if (i == 2) memcpy(out, &nan_bits, sizeof nan_bits);
            return true;
        }
    return false;
}

int str_to_double(struct str s, double *out)
{
    if (s.len == 0) return E_PARSE;
    bool sign = s.p[0] == '-' || s.p[0] == '+';
    bool negative = sign && s.p[0] == '-';
    struct str body = {s.p + sign, s.len - sign};
    double v;
    struct decimal_in d = scan_decimal(body);
    if (body.len && d.length == body.len) {
        if (!clinger(&d, &v)) {
            int rc = slow_double(body, &v);
            if (rc) return rc;
        }
    } else if (special_value(body, &v)) {
        bool nan = isnan(v);
        if (nan && sign) return E_PARSE; /* as Go */
        *out = negative ? -v : v;
        return 0;
    } else if (is_hex_float(body)) {
        int rc = slow_double(body, &v);
        if (rc) return rc;
    } else {
        return E_PARSE;
    }
    *out = negative ? -v : v;
    return isinf(v) ? -ERANGE : 0;
}

/* --- printing --- */

/* digits d1 d2 ... dn mean 0.d1d2...dn * 10^point, without trailing zeros; zero is n = 1, "0". */
struct decimal_out {
    char digits[24];
    int count, point;
};

static void drop_zeros(struct decimal_out *d)
{
    while (d->count > 1 && d->digits[d->count - 1] == '0')
        d->count--;
}

static void set_integer(struct decimal_out *d, uint64_t n, int scale)
{
    char reversed[24];
    int count = 0;
    do
        reversed[count++] = (char)('0' + n % 10);
    while (n /= 10);
    for (int i = 0; i < count; i++)
        d->digits[i] = reversed[count - 1 - i];
    d->count = count;
    d->point = count - scale;
    drop_zeros(d);
}

/* How many digits stand before the point; below 0.1 the zeros after it count against them. */
static int point_of(double v)
{
    int point = 0;
    while (point < 16 && v >= powers_of_ten[point])
        point++;
    while (point <= 0 && point > -5 && v * powers_of_ten[-point] < 0.1)
        point--;
    return point;
}

/* At most 15 digits: when v is such a decimal, scaling it to 15 finds it. */
static bool shortest_scaled(double v, struct decimal_out *d)
{
    if (v >= 1e15 || v < 1e-5) return false;
    int scale = v == floor(v) ? 0 : 15 - point_of(v);
    double n = nearbyint(v * powers_of_ten[scale]);
    if (n / powers_of_ten[scale] != v) return false;
    set_integer(d, (uint64_t)n, scale);
    return true;
}

/* What goes in 128 bits: 2 * mantissa * 10^scale < 2^54 * 10^22 < 2^128, when 10^16 <= v * 10^scale
 * < 10^17, so v from 10^-5 up; and below 2^53 the exponent of two is negative. */
#define EXACT_MIN 1e-5
#define EXACT_MAX 9007199254740992.0

typedef unsigned __int128 u128;

static u128 power_of_ten(int n)
{
    u128 low = (u128)powers_of_ten[MIN(n, 15)];
    return n > 15 ? low * (uint64_t)powers_of_ten[n - 15] : low;
}

/* Reals that read back to v lie within half a unit of its last place on either side. Scaled by
 * 10^scale * 2^shift, v is twice_mantissa * 10^scale, half a unit 10^scale, and the candidates are
 * multiples of 2^shift, or of 10 * 2^shift for 16 digits. The nearest one that lies within wins. */
static bool shortest_exact(double v, struct decimal_out *d)
{
    if (!(v >= EXACT_MIN && v < EXACT_MAX)) return false;
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (fraction == 0) return false; /* a power of two: the unit below is half as large */
    uint64_t twice = (fraction | UINT64_C(1) << 52) << 1;
    unsigned shift = 1076u - (unsigned)(bits >> 52);
    int scale = 17 - point_of(v);
    u128 half = power_of_ten(scale), value = (u128)twice * half;
    uint64_t n = (uint64_t)(value >> shift);
    if (n < UINT64_C(10000000000000000) || n >= UINT64_C(100000000000000000)) return false;
    uint64_t tens = n / 10 * 10;
    u128 above = value - ((u128)tens << shift), ten = (u128)10 << shift;
    if (above > ten - above || (above == ten - above && n / 10 % 2)) {
        tens += 10;
        above = ten - above;
    }
    if (above < half || (above == half && !(fraction & 1))) {
        set_integer(d, tens, scale);
        return true;
    }
    u128 rest = value - ((u128)n << shift), one = (u128)1 << shift;
    if (rest > one - rest || (rest == one - rest && n & 1)) n++;
    set_integer(d, n, scale);
    return true;
}

static int exponent_value(const char *text)
{
    int e = 0;
    for (const char *c = text + 1; is_digit(*c); c++) /* after the sign that %e always writes */
        e = e * 10 + (*c - '0');
    return *text == '-' ? -e : e;
}

static void shortest_searched(double v, struct decimal_out *d)
{
    char text[40];
    for (int digits = v < 1e-290 ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
        const char *exponent = strchr(text, 'e');
        d->count = 0;
        for (const char *c = text; c < exponent; c++) /* whatever the locale's decimal point is */
            if (is_digit(*c)) d->digits[d->count++] = *c;
        d->point = exponent_value(exponent + 1) + 1;
        char again[48];
        snprintf(again, sizeof again, "%.*se%d", d->count, d->digits, d->point - d->count);
        if (c_strtod(again) == v) break;
    }
    drop_zeros(d);
}

/* v is finite and not negative */
static struct decimal_out shortest(double v)
{
    struct decimal_out d = {.digits = "0", .count = 1, .point = 1};
    if (v > 0 && !shortest_scaled(v, &d) && !shortest_exact(v, &d)) shortest_searched(v, &d);
    return d;
}

static size_t print_exponent_form(const struct decimal_out *d, char *out)
{
    size_t n = 0;
    int exponent = d->point - 1;
    out[n++] = d->digits[0];
    if (d->count > 1) {
        out[n++] = '.';
        memcpy(out + n, d->digits + 1, (size_t)d->count - 1);
        n += (size_t)d->count - 1;
    }
    int printed = snprintf(out + n, 8, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    return n + (size_t)printed;
}

static size_t print_plain(const struct decimal_out *d, char *out)
{
    size_t n = 0;
    if (d->point <= 0) out[n++] = '0';
    for (int i = 0; i < d->point; i++)
        out[n++] = i < d->count ? d->digits[i] : '0';
    if (d->count > d->point) {
        out[n++] = '.';
        for (int i = d->point; i < 0; i++)
            out[n++] = '0';
        for (int i = MAX(d->point, 0); i < d->count; i++)
            out[n++] = d->digits[i];
    }
    out[n] = '\0';
    return n;
}

typedef bool wants_exponent(double v, const struct decimal_out *d);

static size_t print_double(double v, wants_exponent *exponent_form, char *out)
{
    const char *special = isnan(v) ? "NaN" : isinf(v) ? (v > 0 ? "+Inf" : "-Inf") : NULL;
    if (special) {
        memcpy(out, special, strlen(special) + 1);
        return strlen(special);
    }
    size_t n = 0;
    if (signbit(v)) out[n++] = '-';
    struct decimal_out d = shortest(fabs(v));
    return n + (exponent_form(fabs(v), &d) ? print_exponent_form(&d, out + n)
                                           : print_plain(&d, out + n));
}

static bool exponent_of_api(double v, const struct decimal_out *d)
{
    UNUSED(d);
    return v > 0 && (v < 1e-6 || v >= 1e21);
}

/* strconv.FormatFloat(v, 'g', -1, 64): for the shortest digits the precision counts as 6 */
static bool exponent_of_go_g(double v, const struct decimal_out *d)
{
    return v > 0 && (d->point - 1 < -4 || d->point - 1 >= 6);
}

static bool never(double v, const struct decimal_out *d)
{
    UNUSED(v);
    UNUSED(d);
    return false;
}

size_t str_from_double(double v, char out[STR_DOUBLE_MAX])
{
    return print_double(v, exponent_of_api, out);
}

size_t str_from_double_g(double v, char out[STR_DOUBLE_MAX])
{
    return print_double(v, exponent_of_go_g, out);
}

size_t str_from_double_f(double v, char out[STR_DOUBLE_MAX])
{
    return print_double(v, never, out);
}
