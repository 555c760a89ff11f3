"""Words that stand for figures in the bot's languages: months, small numbers, currencies."""

import re

# ruff: noqa: RUF001 - signs of other scripts are meant

# fmt: off
_MONTHS = (
    "january jan januar jänner enero ene janeiro janvier janv gennaio gen januari يناير जनवरी",
    "february feb februar febrero fevereiro fev février fevrier févr febbraio febbr februari فبراير फरवरी फ़रवरी",
    "march mar märz maerz mär marzo março marco mars maret مارس मार्च",
    "april apr abril abr avril avr aprile أبريل ابريل अप्रैल",
    "may mai mayo maio maggio mag mei مايو मई",
    "june jun juni junio junho juin giugno giu يونيو जून",
    "july jul juli julio julho juillet juil luglio lug يوليو जुलाई",
    "august aug agosto ago août aout agustus agu أغسطس اغسطس अगस्त",
    "september sep sept septiembre setembro set septembre settembre سبتمبر सितंबर सितम्बर",
    "october oct oktober okt octubre outubro out octobre ottobre ott أكتوبر اكتوبر अक्टूबर अक्तूबर",
    "november nov noviembre novembro novembre نوفمبر नवंबर नवम्बर",
    "december dec dezember dez diciembre dic dezembro décembre decembre déc dicembre desember des ديسمبر दिसंबर दिसम्बर",
)
MONTHS = {word: number for number, listed in enumerate(_MONTHS, start=1) for word in listed.split()}
# Words of other meanings, too: "1 may be used", "4 out of 5", "5 years ago".
AMBIGUOUS_MONTHS = frozenset({"may", "march", "mar", "mars", "set", "out", "ago", "des", "dec", "gen", "mag"})

_NUMBERS = (
    "zero null cero nol صفر शून्य",
    "one eins ein eine un uno una um uma une satu واحد एक",
    "two zwei dos dois duas deux due dua اثنان اثنين दो",
    "three drei tres três trois tre tiga ثلاثة तीन",
    "four vier cuatro quatro quatre quattro empat أربعة चार",
    "five fünf cinco cinq cinque lima خمسة पांच पाँच",
    "six sechs seis sei enam ستة छह छः",
    "seven sieben siete sete sept sette tujuh سبعة सात",
    "eight acht ocho oito huit otto delapan ثمانية आठ",
    "nine neun nueve nove neuf sembilan تسعة नौ",
    "ten zehn diez dez dix dieci sepuluh عشرة दस",
    "eleven elf once onze undici sebelas",
    "twelve zwölf doce doze douze dodici",
)
# Casefolded: "dreißig" is here as "dreissig".
NUMBER_WORDS = {word: str(number) for number, listed in enumerate(_NUMBERS) for word in listed.split()}
NUMBER_WORDS |= {"fourteen": "14", "fifteen": "15", "twenty": "20", "thirty": "30", "vierzehn": "14", "dreissig": "30",
                 "quince": "15", "quinze": "15", "quindici": "15", "treinta": "30", "trinta": "30", "trente": "30",
                 "trenta": "30", "hundred": "100", "hundert": "100"}
_ORDINALS = (
    "first erste ersten erster primero primera primer premier première primo prima primeiro primeira pertama أول",
    "second zweite zweiten zweiter segundo segunda deuxième secondo seconda kedua ثاني",
    "third dritte dritten dritter tercero tercera tercer troisième terzo terza terceiro terceira ketiga ثالث",
    "fourth vierte vierten vierter cuarto cuarta quatrième quarto quarta keempat رابع",
    "fifth fünfte fünften fünfter quinto quinta cinquième kelima خامس",
    "sixth sechste sechsten", "seventh siebte siebten", "eighth achte achten", "ninth neunte neunten",
    "tenth zehnte zehnten",
)
ORDINAL_WORDS = {word: str(number) for number, listed in enumerate(_ORDINALS, start=1) for word in listed.split()}

_CURRENCIES = {
    "$": "$ usd us$ dollar dollars dólar dólares dolar",
    "€": "€ eur euro euros يورو यूरो 欧元",
    "£": "£ gbp pound pounds quid pfund libras livres",
    "¥": "¥ ￥ cny rmb jpy yen yuan 元 円 块 人民币",
    "₹": "₹ inr rs rs. rupee rupees रुपये रुपए रुपया रु",
    "R$": "r$ brl reais real",
    "CHF": "chf franken",
    "Rp": "rp rp. idr rupiah",
    "peso": "mxn ars clp cop peso pesos",
    "AED": "aed dirham dirhams درهم",
    "SAR": "sar riyal riyals ريال",
    "EGP": "egp جنيه",
    "kr": "sek nok dkk kr kroner kronor",
    "%": "% ％ percent per\u00a0cent prozent porciento persen प्रतिशत بالمئة بالمائة",
}
CURRENCIES = {word.replace("\u00a0", " "): code for code, listed in _CURRENCIES.items() for word in listed.split(" ")}
# fmt: on
_HAN_DIGITS = {"〇": "0", "零": "0", "两": "2", "兩": "2"} | dict(zip("一二三四五六七八九", "123456789", strict=True))
_HAN_RUN = re.compile("[〇零一二两兩三四五六七八九十百千万萬亿億]+")
_HAN_TENS = re.compile("([一二三四五六七八九]?)十([一二三四五六七八九]?)")


def han_numbers(text: str) -> set[str]:
    """Han numerals, which stand between other letters: those below a hundred and those read digit by digit.

    三天, 十二点, 二十四小时, 二〇二六年. Of others nothing is read: 二百 holds no two.
    """
    return {number for run in _HAN_RUN.findall(text) for number in _han_readings(run)}


def _han_readings(run: str) -> list[str]:
    if tens := _HAN_TENS.fullmatch(run):
        return [_HAN_DIGITS.get(tens[1], "1") + _HAN_DIGITS.get(tens[2], "0")]
    if all(letter in _HAN_DIGITS for letter in run):
        digits = [_HAN_DIGITS[letter] for letter in run]
        # 两三天 are two or three days; longer runs are read out digit by digit, as years are
        return digits if len(digits) <= len("两三") else ["".join(digits)]
    return []
