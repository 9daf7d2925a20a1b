"""Words of the entail task. MAIN feeds train, transfer, dev, test, adversarial; HELD_OUT feeds ood_lexicon only.

Verbs are (base, past, participle). A chain goes from narrow to wide, ``(narrow, a sibling of it, wider, widest)``.
A scale is (strong, mild) on one side, (mild, strong) on the other, and what it can be said of.
"""

from __future__ import annotations


def _verbs(text: str) -> list[tuple[str, str, str]]:
    return [
        tuple(v.split("/")) if v.count("/") == 2 else (v.split("/")[0], v.split("/")[1], v.split("/")[1])
        for v in text.split()
    ]


MAIN = {
    "names": (
        "Ana Ben Carla David Elena Farid Greta Hugo Ines Jonas Kemal Lena Mara Nils Omar Paula Rosa Samir Tom Vera"
    ).split(),
    "people": (
        "nurse pilot baker lawyer singer farmer teacher painter waiter student dentist plumber judge dancer"
    ).split(),
    "transitive": _verbs(
        "help/helped thank/thanked visit/visited praise/praised follow/followed invite/invited "
        "phone/phoned blame/blamed pay/paid teach/taught see/saw/seen recognise/recognised"
    ),
    "intransitive": _verbs(
        "laugh/laughed sleep/slept dance/danced leave/left arrive/arrived sing/sang/sung win/won "
        "work/worked smile/smiled apologise/apologised"
    ),
    "tasks": [
        ("lock", "locked", "the door"),
        ("call", "called", "the doctor"),
        ("wash", "washed", "the car"),
        ("send", "sent", "the letter"),
        ("feed", "fed", "the cat"),
        ("buy", "bought", "the tickets"),
        ("book", "booked", "the hotel"),
        ("close", "closed", "the window"),
        ("fix", "fixed", "the lamp"),
        ("read", "read", "the report"),
        ("water", "watered", "the roses"),
        ("sign", "signed", "the form"),
        ("bake", "baked", "the bread"),
        ("empty", "emptied", "the bin"),
    ],
    "chains": [
        ("spaniel", "poodle", "dog", "animal"),
        ("sparrow", "owl", "bird", "animal"),
        ("trout", "salmon", "fish", "animal"),
        ("bee", "beetle", "insect", "animal"),
        ("rose", "tulip", "flower", "plant"),
        ("pine", "birch", "tree", "plant"),
        ("violin", "cello", "string instrument", "instrument"),
        ("trumpet", "tuba", "brass instrument", "instrument"),
        ("sedan", "limousine", "car", "vehicle"),
        ("canoe", "yacht", "boat", "vehicle"),
        ("python", "cobra", "snake", "reptile"),
        ("castle", "hospital", "building", "structure"),
        ("hammer", "drill", "tool", "object"),
        ("novel", "cookbook", "book", "publication"),
    ],
    "chain_verbs": _verbs(
        "draw/drew/drawn photograph/photographed see/saw/seen paint/painted describe/described mention/mentioned"
    ),
    "modifiers": "tall young old famous blond shy left-handed retired French".split(),
    "group": [
        ("guests", "guest"),
        ("children", "child"),
        ("players", "player"),
        ("students", "student"),
        ("tourists", "tourist"),
        ("workers", "worker"),
        ("visitors", "visitor"),
        ("singers", "singer"),
        ("farmers", "farmer"),
        ("sailors", "sailor"),
    ],
    "group_did": [
        "left early",
        "laughed at the joke",
        "ate soup",
        "missed the bus",
        "came by train",
        "wore a hat",
        "stayed until midnight",
        "liked the song",
        "paid in cash",
        "spoke Spanish",
        "carried an umbrella",
        "arrived late",
    ],
    "goods": "apples books tickets candles letters shirts cups lemons stamps postcards eggs chairs".split(),
    "goods_verbs": "bought sold found counted packed received".split(),
    "scales": [
        ("scalding", "hot", "cold", "freezing", "soup bath tea"),
        ("huge", "big", "small", "tiny", "house garden cake"),
        ("soaked", "wet", "dry", "bone-dry", "towel coat carpet"),
        ("overjoyed", "happy", "sad", "heartbroken", "queen gardener clown"),
        ("filthy", "dirty", "clean", "spotless", "kitchen shirt floor"),
        ("deafening", "loud", "quiet", "inaudible", "music engine alarm"),
        ("ancient", "old", "new", "brand-new", "bridge piano sofa"),
        ("packed", "crowded", "empty", "deserted", "station beach museum"),
        ("furious", "angry", "calm", "serene", "king coach uncle"),
        ("exorbitant", "expensive", "cheap", "dirt-cheap", "ring wine trip"),
        ("rapid", "fast", "slow", "snail-paced", "train river lift"),
        ("dazzling", "bright", "dark", "pitch-black", "room tunnel stage"),
    ],
    "degrees": [
        ("taller", "shorter", "tall"),
        ("older", "younger", "old"),
        ("faster", "slower", "fast"),
        ("richer", "poorer", "rich"),
        ("heavier", "lighter", "heavy"),
        ("stronger", "weaker", "strong"),
    ],
    "events": ["arrived", "left", "woke up", "finished", "called", "spoke"],
    "things": "lamp mirror vase clock basket statue bench fountain poster shelf piano ladder".split(),
    "reports": [
        "the shop is closed",
        "the train is late",
        "the cake is burnt",
        "the road is blocked",
        "the meeting is over",
        "the well is dry",
        "the shirt is torn",
        "the boat is sinking",
        "the exam is easy",
        "the safe is locked",
    ],
}

HELD_OUT = {
    "names": "Alma Boris Chiara Dario Edith Florian Gita Henrik Irma Joel".split(),
    "people": "captain butcher actor surgeon poet barber tailor goalkeeper librarian".split(),
    "transitive": _verbs(
        "greet/greeted support/supported criticise/criticised rescue/rescued admire/admired hug/hugged"
    ),
    "intransitive": _verbs("cry/cried cough/coughed wave/waved faint/fainted resign/resigned"),
    "tasks": [
        ("varnish", "varnished", "the fence"),
        ("mow", "mowed", "the lawn"),
        ("return", "returned", "the keys"),
        ("post", "posted", "the parcel"),
        ("repair", "repaired", "the roof"),
        ("order", "ordered", "the pizza"),
    ],
    "chains": [
        ("stallion", "pony", "horse", "mammal"),
        ("daffodil", "orchid", "bloom", "organism"),
        ("ferry", "tanker", "ship", "craft"),
        ("sonnet", "limerick", "poem", "text"),
        ("emerald", "ruby", "gem", "mineral"),
        ("cheddar", "brie", "cheese", "dairy product"),
    ],
    "chain_verbs": _verbs("sketch/sketched record/recorded film/filmed"),
    "modifiers": "bald clever wealthy polite Danish".split(),
    "group": [("soldiers", "soldier"), ("cyclists", "cyclist"), ("hikers", "hiker"), ("customers", "customer")],
    "group_did": ["crossed the border", "drank coffee", "lost their keys", "voted for the proposal", "camped in tents"],
    "goods": "pencils mugs blankets melons coins bracelets".split(),
    "goods_verbs": "collected ordered stole delivered".split(),
    "scales": [
        ("boiling", "warm", "cool", "icy", "pool cellar"),
        ("enormous", "large", "little", "minuscule", "parcel pumpkin"),
        ("hilarious", "funny", "serious", "grave", "speech article"),
        ("exhausted", "tired", "rested", "energetic", "runner driver"),
        ("brilliant", "smart", "foolish", "idiotic", "idea robot"),
    ],
    "degrees": [("wiser", "sillier", "wise"), ("kinder", "crueller", "kind"), ("neater", "messier", "neat")],
    "events": ["departed", "sat down", "resigned", "fainted"],
    "things": "wardrobe kettle candle barrel tent cupboard".split(),
    "reports": ["the bank is shut", "the milk is sour", "the key is missing", "the flight is delayed"],
}
