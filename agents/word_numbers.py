"""Words that stand for figures in the bot's languages: months, small numbers, currencies."""

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
    "zero null cero nol صفر शून्य 零",
    "one eins ein eine un uno una um uma une satu واحد एक 一",
    "two zwei dos dois duas deux due dua اثنان اثنين दो 二 两",
    "three drei tres três trois tre tiga ثلاثة तीन 三",
    "four vier cuatro quatro quatre quattro empat أربعة चार 四",
    "five fünf cinco cinq cinque lima خمسة पांच पाँच 五",
    "six sechs seis sei enam ستة छह छः 六",
    "seven sieben siete sete sept sette tujuh سبعة सात 七",
    "eight acht ocho oito huit otto delapan ثمانية आठ 八",
    "nine neun nueve nove neuf sembilan تسعة नौ 九",
    "ten zehn diez dez dix dieci sepuluh عشرة दस 十",
    "eleven elf once onze undici sebelas",
    "twelve zwölf doce doze douze dodici",
)
NUMBER_WORDS = {word: str(number) for number, listed in enumerate(_NUMBERS) for word in listed.split()}
NUMBER_WORDS |= {"fourteen": "14", "fifteen": "15", "twenty": "20", "thirty": "30", "vierzehn": "14", "dreißig": "30",
                 "quince": "15", "quinze": "15", "quindici": "15", "treinta": "30", "trinta": "30", "trente": "30",
                 "trenta": "30", "twenty-four": "24", "hundred": "100", "hundert": "100"}
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
