#!/usr/bin/env python3
"""Writes phone numbers in many forms, and how Google's libphonenumber reads them.

Each line of the output is a JSON array: the default country or null, the text, and the number in E.164 or null where
the text is no valid phone number. Numbers are made from the example numbers of all regions, with random variations.
The judge is Python's `phonenumbers`. The daemon's own rule is applied before it: letters are no part of a number.

Usage: judge.py SEED COUNT

With a JSON object as the only argument, which names the national prefixes of each country code, it writes a JSON array
for each number whose beginning the library may remove or replace and that begins with none of them: the code and the
number.

Usage: judge.py '{"49": ["0"], "1": ["1"]}'
"""

import json
import random
import re
import sys

import phonenumbers as pn
from phonenumbers import PhoneNumberFormat as Format
from phonenumbers import PhoneNumberType as Type
from phonenumbers import phonenumberutil as util

TYPES = [
    Type.FIXED_LINE, Type.MOBILE, Type.TOLL_FREE, Type.PREMIUM_RATE, Type.SHARED_COST, Type.VOIP,
    Type.PERSONAL_NUMBER, Type.PAGER, Type.UAN, Type.VOICEMAIL,
]
# The first digit of the digits that people type on keyboards of other scripts.
ZEROS = {"arabic": 0x660, "persian": 0x6F0, "devanagari": 0x966, "full width": 0xFF10, "bengali": 0x9E6, "thai": 0xE50}
EXTENSIONS = [";ext=12", " x12", " ext. 12", " ext 12", " extension 1234", ";12", ",,12", " #12", "x7", " доб. 12", " int 12",
              " anexo 12", " - 12#", " ext.: 12"]
SEPARATORS = [" ", "-", ".", "/", "\u00a0", "\u2011", "\u2013", "  ", " - ", "\u200b", "\u3000"]
# In how many forms each number is written.
FORMS = 3
NON_GEOGRAPHIC = [800, 808, 870, 878, 881, 882, 883, 888, 979]


def examples(region):
    """The national numbers of a region's examples."""
    found = []
    for kind in TYPES:
        example = pn.example_number_for_type(region, kind)
        if example is not None:
            found.append(pn.national_significant_number(example))
    example = pn.example_number(region)
    if example is not None:
        found.append(pn.national_significant_number(example))
    return sorted(set(found))


def varied(chance, digits, code):
    """A national number like an example: its last digits differ, or it begins with the code of its country."""
    kind = chance.random()
    if kind < 0.1:
        return digits
    if kind < 0.65:
        kept = chance.randint(1, max(1, len(digits) - 3))
        return digits[:kept] + "".join(chance.choice("0123456789") for _ in digits[kept:])
    if kind < 0.8:
        kept = digits[: chance.randint(0, 1)] + code
        return (kept + "".join(chance.choice("0123456789") for _ in digits))[: len(digits)]
    if kind < 0.9:
        return "".join(chance.choice("0123456789") for _ in digits)
    length = len(digits) + chance.choice([-2, -1, 1, 2])
    return (digits + "".join(chance.choice("0123456789") for _ in "12"))[: max(length, 2)]


def grouped(chance, digits):
    """Digits with separators at random places."""
    separator = chance.choice(SEPARATORS)
    text = ""
    for place, digit in enumerate(digits):
        if place and chance.random() < 0.35:
            text += separator
        text += digit
    if chance.random() < 0.2 and len(digits) > 4:
        cut = chance.randint(1, 3)
        text = "(" + digits[:cut] + ")" + chance.choice(["", " "]) + digits[cut:]
    return text


def in_script(chance, text):
    zero = chance.choice(sorted(ZEROS.values()))
    return "".join(chr(zero + ord(c) - 48) if "0" <= c <= "9" else c for c in text)


def prefixes(region):
    """What is dialled before a number: abroad, and at home."""
    metadata = pn.PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        return ["00"], ["0"]
    abroad = metadata.preferred_international_prefix or metadata.international_prefix or "00"
    abroad = re.sub(r"[^0-9]", "", abroad) if re.fullmatch(r"[0-9~]+", abroad) else "00"
    home = [metadata.national_prefix] if metadata.national_prefix else []
    return [abroad, "00", "011", "810", "8~10", "009"], home + ["0", "1", "8", "80", ""]


def written(chance, region, number):
    """One form of a number, and with which default country it is to be read."""
    code, national = str(number.country_code), pn.national_significant_number(number)
    abroad, home = prefixes(region)
    forms = [
        lambda: "+" + code + national,
        lambda: "+" + code + national,
        lambda: pn.format_number(number, Format.INTERNATIONAL),
        lambda: pn.format_number(number, Format.NATIONAL),
        lambda: pn.format_number(number, Format.NATIONAL),
        lambda: pn.format_number(number, Format.RFC3966),
        lambda: national,
        lambda: national,
        lambda: grouped(chance, national),
        lambda: home[0] + national,
        lambda: home[0] + " " + grouped(chance, national),
        lambda: chance.choice(home) + national,
        lambda: abroad[0] + code + national,
        lambda: abroad[0] + " " + code + " " + grouped(chance, national),
        lambda: chance.choice(abroad) + code + national,
        lambda: "+" + code + " " + grouped(chance, national),
        lambda: "+" + code + " (0)" + grouped(chance, national),
        lambda: "+" + code + home[0] + national,
        lambda: code + national,
        lambda: "\uff0b" + code + " " + national,
        lambda: "tel:+" + code + "-" + grouped(chance, national).replace(" ", ""),
        lambda: "tel:" + national + ";phone-context=+" + code,
    ]
    text = chance.choice(forms)()
    if chance.random() < 0.2:
        text += chance.choice(EXTENSIONS)
    if chance.random() < 0.2:
        text = in_script(chance, text)
    odd = chance.random()
    if odd < 0.02:
        text = chance.choice([" ", "\t", "\u200b", "(", "~", "phone ", "Tel. ", "whatsapp "]) + text
    elif odd < 0.04:
        text += chance.choice([" ", ".", ")", " home", " ABC", "a", "/", "#", "*", ";isub=12", "\u202c"])
    elif odd < 0.05:
        text = "".join(chance.choice([c, chr(ord("A") + ord(c) % 26)]) for c in text)
    elif odd < 0.06:
        text = text[: chance.randint(0, len(text))]
    country = region
    other = chance.random()
    if other < 0.06:
        country = None
    elif other < 0.16:
        country = chance.choice(sorted(pn.SUPPORTED_REGIONS))
    return country, text


def has_letters(text):
    """Whether letters stand in a text other than those of RFC 3966 and of an extension."""
    number = re.sub(r"^tel:", "", text, flags=re.IGNORECASE)
    number = re.split(r";(?:phone-context|isub)=", number)[0]
    possible = util._extract_possible_number(number)
    before = number[: number.find(possible)] if possible else number
    stripped = util._maybe_strip_extension(possible)[1]
    return any(c.isalpha() for c in before + stripped)


def judged(country, text):
    """The number in E.164; None: the text is no valid number."""
    if has_letters(text.strip()):
        return None
    try:
        number = pn.parse(text.strip(), country)
    except pn.NumberParseException:
        return None
    return pn.format_number(number, Format.E164) if pn.is_valid_number(number) else None


def unlisted(listed):
    """Numbers of which a part is matched as a national prefix and that begin with no listed prefix."""
    chance = random.Random(1)
    for code, regions in pn.COUNTRY_CODE_TO_REGION_CODE.items():
        if regions[0] == "001":
            metadata = pn.PhoneMetadata.metadata_for_nongeo_region(code, None)
        else:
            metadata = pn.PhoneMetadata.metadata_for_region(regions[0], None)
        if str(code) not in listed:
            yield code, None
        if metadata.national_prefix_for_parsing is None:
            continue
        pattern = re.compile(metadata.national_prefix_for_parsing)
        starts = tuple(listed.get(str(code), []))
        for turn in range(20_000):
            digits = f"{turn % 10_000:04}" + "".join(chance.choice("0123456789") for _ in range(turn % 9))
            found = pattern.match(digits)
            if found and found.end() and not digits.startswith(starts):
                yield code, digits
                break


def main():
    if len(sys.argv) == 2:
        for code, digits in unlisted(json.loads(sys.argv[1])):
            print(json.dumps([code, digits]))
        return
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    print(f"seed {seed}, phonenumbers {pn.__version__}", file=sys.stderr)
    regions = sorted(pn.SUPPORTED_REGIONS)
    sources = [(region, str(pn.country_code_for_region(region)), examples(region)) for region in regions]
    for code in NON_GEOGRAPHIC:
        example = pn.example_number_for_non_geo_entity(code)
        sources.append(("001", str(code), [pn.national_significant_number(example)]))
    for turn in range(count):
        region, code, known = sources[turn % len(sources)]
        digits = varied(chance, chance.choice(known), code)
        zeros = len(digits) - len(digits.lstrip("0"))
        number = pn.PhoneNumber(
            country_code=int(code),
            national_number=int(digits),
            italian_leading_zero=zeros > 0,
            number_of_leading_zeros=zeros if zeros > 1 else None,
        )
        for _ in range(FORMS):
            country, text = written(chance, "US" if region == "001" else region, number)
            print(json.dumps([country, text, judged(country, text)]))


if __name__ == "__main__":
    main()
