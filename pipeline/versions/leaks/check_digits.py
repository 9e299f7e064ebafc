"""Check digits: whether a number is one of its kind, or only looks like one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from hashlib import sha256


def luhn(digits: str) -> bool:
    """Payment cards (ISO/IEC 7812)."""
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def iban(text: str) -> bool:
    """Bank accounts (ISO 13616): letters are numbers from 10 on, the country goes last, and the rest by 97 is 1."""
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(text: str) -> bool:
    """Keys of bitcoin (Base58Check): the last four bytes are the first of the others' SHA-256, taken twice."""
    number = 0
    for sign in text:
        number = number * 58 + _BASE58.index(sign)
    whole = number.to_bytes(-(-number.bit_length() // 8))
    return sha256(sha256(whole[:-4]).digest()).digest()[:4] == whole[-4:]


def korean_resident(digits: str) -> bool:
    """Tell whether the last of 13 digits checks the others.

    It need not: the last six digits of numbers given since October 2020 are random, without a check digit.
    """
    total = _weighted(digits[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    # foreigners' numbers (5 to 8 at the seventh place) are checked with 13 in place of 11
    base = 13 if digits[6] in "5678" else 11
    return (base - total % 11) % 10 == int(digits[12])


def korean_birthday(digits: str) -> bool:
    """Tell whether the first seven digits are a day (YYMMDD) and the century of it."""
    century = {"9": 18, "0": 18, "1": 19, "2": 19, "5": 19, "6": 19, "3": 20, "4": 20, "7": 20, "8": 20}[digits[6]]
    return is_day(f"{century}{digits[:6]}")


def chinese_resident(text: str) -> bool:
    """Eighteen characters (GB 11643): place, day of birth, order, check digit by 11 (X: 10)."""
    weights = [2**position % 11 for position in range(17, 0, -1)]
    return is_day(text[6:14]) and "10X98765432"[_weighted(text[:17], weights) % 11] == text[17].upper()


def french_insured(digits: str) -> bool:
    """Fifteen digits (NIR): the last two are 97 minus the rest of the others by 97."""
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def brazilian_taxpayer(digits: str) -> bool:
    """Eleven digits (CPF), the last two of them checking the others."""
    first = _weighted(digits[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(digits[:10], range(11, 1, -1)) * 10 % 11 % 10
    return len(set(digits)) > 1 and digits[9:] == f"{first}{second}"


_D5 = [[(a + b) % 5 + b // 5 * 5 if a < 5 else (a - b) % 5 + (1 - b // 5) * 5 for b in range(10)] for a in range(10)]
_TURN = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def verhoeff(digits: str) -> bool:
    """Indian residents (Aadhaar): Verhoeff's check digit, by the group of the symmetries of a pentagon."""
    check = 0
    for position, digit in enumerate(reversed(digits)):
        turned = int(digit)
        for _ in range(position % 8):
            turned = _TURN[turned]
        check = _D5[check][turned]
    return check == 0


def thai_resident(digits: str) -> bool:
    """Thirteen digits, the last of them by 11."""
    return (11 - _weighted(digits[:12], range(13, 1, -1)) % 11) % 10 == int(digits[12])


def chilean(text: str) -> bool:
    """Persons (RUT): up to eight digits below 50 million, from which on they are companies, and a sign by 11."""
    number = text[:-1]
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(number)))
    return int(number) < 50_000_000 and "0K987654321"[total % 11] == text[-1].upper()


def argentine(digits: str) -> bool:
    """Eleven digits (CUIL), the last of them by 11."""
    return _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def belgian(digits: str) -> bool:
    """Eleven digits: day of birth and order, then 97 minus the rest of them by 97 (from 2000 on behind a 2)."""
    rests = (97 - int(century + digits[:9]) % 97 for century in ("", "2"))
    return _is_short_day(digits[:6]) and int(digits[9:]) in rests


def norwegian(digits: str) -> bool:
    """Eleven digits: day, month and year of birth, order, two check digits by 11."""
    first = _weighted(digits[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    second = _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11
    return first == second == 0 and _is_short_day(digits[4:6] + digits[2:4] + digits[:2])


def finnish_or_swedish(text: str) -> bool:
    """Ten signs behind the day of birth: in Finland (day, month, year) one by 31, in Sweden (year, month, day) Luhn's."""
    if (
        _is_short_day(text[4:6] + text[2:4] + text[:2])
        and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(text[:9]) % 31] == text[9]
    ):
        return True
    return text.isdigit() and _is_short_day(text[:6]) and luhn(text)


def polish(digits: str) -> bool:
    """Eleven digits (PESEL): day of birth, its century in the month, order, a check digit by 10."""
    month = int(digits[2:4])
    day = f"{(19, 20, 21, 22, 18)[month // 20]}{digits[:2]}{month % 20:02d}{digits[4:6]}"
    return is_day(day) and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def turkish(digits: str) -> bool:
    """Eleven digits (TCKN), the last two of them checking the others."""
    ones = [int(digit) for digit in digits]
    return (7 * sum(ones[0:9:2]) - sum(ones[1:8:2])) % 10 == ones[9] and sum(ones[:10]) % 10 == ones[10]


def japanese(digits: str) -> bool:
    """Twelve digits (My Number), the last of them by 11."""
    rest = _weighted(digits[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[11]) == (0 if rest < 2 else 11 - rest)


def british_patient(digits: str) -> bool:
    """Ten digits (NHS), the last of them by 11."""
    return _weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def dutch(digits: str) -> bool:
    """Nine digits (BSN), by 11 with the last one taken off."""
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def german(digits: str) -> bool:
    """Eleven digits (the number for taxes), the last of them by ISO/IEC 7064, MOD 11,10."""
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def south_african(digits: str) -> bool:
    """Thirteen digits: day of birth, order, citizenship, Luhn's check digit."""
    return _is_short_day(digits[:6]) and digits[10] in "012" and luhn(digits)


def swiss(digits: str) -> bool:
    """Thirteen digits (AHV), the last of them by 10 as in EAN."""
    return _weighted(digits, (1, 3) * 6 + (1,)) % 10 == 0


def czech(digits: str) -> bool:
    """Ten digits: day of birth, with 50 more in the month of women, and order, which 11 divides."""
    month = int(digits[2:4])
    return _is_short_day(f"{digits[:2]}{month - 50 * (month > 50):02d}{digits[4:6]}") and int(digits) % 11 == 0


def danish(digits: str) -> bool:
    """Ten digits (CPR): day of birth and order; numbers given from 2007 on have no check digit."""
    return _is_short_day(digits[4:6] + digits[2:4] + digits[:2])


def portuguese(digits: str) -> bool:
    """Nine digits (NIF), of persons from 1 to 3, the last of them by 11."""
    rest = _weighted(digits[:8], range(9, 1, -1)) % 11
    return digits[0] in "123" and int(digits[8]) == (0 if rest < 2 else 11 - rest)


def romanian(digits: str) -> bool:
    """Thirteen digits (CNP): sex, day of birth, county, order, one by 11."""
    rest = _weighted(digits[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return _is_short_day(digits[1:7]) and int(digits[12]) == (1 if rest == 10 else rest)


def _is_short_day(digits: str) -> bool:
    """Tell whether six digits are a day (YYMMDD) of some century."""
    return is_day(f"19{digits}") or is_day(f"20{digits}")


def is_day(digits: str) -> bool:
    """Tell whether eight digits are a day (YYYYMMDD)."""
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def _weighted(digits: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
