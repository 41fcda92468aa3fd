"""Short lists of words: which are no names, what stands beside a mention, what is a name or nickname too."""

from __future__ import annotations

FUNCTION_WORDS = frozenset(
    "a an and are as at be by can did do does for from get had has have he her hers him his how i if in into is it its "
    "me my no not of off on or our ours out over she so than that the their them then there these they this those to "
    "under up us was we were what when where which who whom whose why will with you your yours via vs am been being "
    "but could may might must shall should would im ill id ive dont cant wont isnt didnt doesnt thats lets "
    "al con da de del della di e et il la le les los las nel un una une y der die das und den dem ein eine im mit von "
    "en el het op te een voor met aan och pa av som til med".split()
)
"""Words that are no names by themselves, whatever a dictionary says: "as" is arsenic, "die" a stamp."""

BEFORE_NOUNS = frozenset(
    "a an the this that these those my our your his her its their some any no every each another two three four five "
    "six seven eight nine ten many several few more of with from s".split()
)
"""After these stands a noun, or an adjective, and no verb."""
BEFORE_VERBS = frozenset(
    "to i we you they he she who will would can could shall should may might must do does did don t not let lets "
    "please ll d".split()
)
"""After these stands a verb."""
ENGLISH = frozenset(
    "the a and of to in is was for with on at from by my our this that it his her are were we you i as an be have had "
    "not all out up they their your or but".split()
)
"""The commonest function words of English."""
FOREIGN = (
    frozenset(
        "le la les un une des du de et est dans pour avec sur par au aux ce cette qui que il elle nous mon ma mes "
        "son sa el los las del al y en es una con por para su sus lo se como mas muy este esta der die das und ist "
        "im mit von vom zum zur den dem ein eine auf fur bei nach aus auch nicht ich wir sie beim di gli della dei "
        "delle nel nella per che non sono alla piu e o os as do da dos em no na nos nas um uma com het een van op "
        "met voor te bij naar uit aan zijn niet ook onze mijn och i pa av ar som till med for fran det ett og er "
        "til af paa jest nie po ve bir ile bu ja on ei els amb dels pel".split()
    )
    - ENGLISH
)
"""Those of other languages that are written with these letters, accents removed."""
GIVEN_NAMES = frozenset(
    "james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark "
    "donald steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary "
    "nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander raymond "
    "patrick jack dennis jerry tyler aaron jose adam nathan henry douglas zachary peter kyle walter ethan jeremy "
    "harold keith christian roger noah gerald carl terry sean austin arthur lawrence jesse dylan bryan joe jordan "
    "billy bruce albert willie gabriel logan alan juan wayne roy ralph randy eugene vincent russell louis philip "
    "bobby johnny bradley mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty "
    "margaret sandra ashley kimberly emily donna michelle carol amanda dorothy melissa deborah stephanie rebecca "
    "sharon laura cynthia kathleen amy angela shirley anna brenda pamela emma nicole helen samantha katherine "
    "christine debra rachel carolyn janet catherine maria heather diane ruth julie olivia joyce virginia victoria "
    "kelly lauren christina joan evelyn judith megan andrea cheryl hannah jacqueline martha gloria teresa ann sara "
    "madison frances kathryn janice jean abigail alice julia judy sophia grace denise amber doris marilyn danielle "
    "beverly isabella theresa diana natalie brittany charlotte marie kayla alexis lori bill bob rob nick mike tom tim "
    "jim dan dave steve chris matt ben sam max alex tony andy greg jeff joey josh ken kate katie jenny jen sue liz "
    "meg beth becky vicky sally molly polly dolly daisy rosemary ivy holly lily violet iris hazel olive rose poppy "
    "ginger basil jasmine robin martin jay drake kit kitty buck bud pat peg mick rick dick chuck hank guy cliff sandy "
    "penny ruby pearl crystal jade opal barb dot carrie bonnie toby davy derby ray norm don ed ted ned al lou art "
    "gene dale glen miles lance earl duke rex felix leo ian neil hugh hugo oscar simon luke evan joel seth eva eve "
    "ella mia zoe chloe sophie claire clara nina tina gina rita ana ines marco mario luigi carlos pedro pablo luis "
    "jorge diego javier hans karl fritz otto franz pierre jacques michel marc".split()
)
"""Common given names, in English above all; many are nouns too."""

NICKNAMES: dict[str, tuple[str, str]] = {
    "car": (
        "barracuda beetle bronco bug cayman charger cobra colt comet corvette cougar cub dart demon falcon firebird "
        "fox fury golf hawk hornet hummer hurricane impala jaguar jeep lark lynx mini mustang panda panther pinto "
        "puma rabbit ram raptor scorpion scout sprite stingray thunderbird tiger triumph viper wasp wildcat "
        "wrangler",
        "car cars auto autos automobile automobiles automotive vehicle motor motorcycle bike truck race racing drag "
        "rod classic vintage show chrome engine wheel ford chevy chevrolet dodge volkswagen vw chrysler pontiac "
        "plymouth mercury jeep mazda toyota honda nissan bmw porsche driving drive garage coupe sedan roadster "
        "convertible",
    ),
    "team": (
        "badger bear beaver bengal bison bobcat bronco bruin buck buckeye bull bulldog canary cardinal cavalier "
        "colt cougar cowboy crow cub devil dolphin duck eagle falcon flyer fox gator hawk heron hornet hurricane "
        "husky jaguar jay jet kangaroo king leopard lion longhorn magpie mariner oriole owl packer panther pelican "
        "penguin pirate ram raptor raven red rhino rocket saint senator shark spartan star steelers swan terrapin "
        "thunder tiger titan trojan twins viking wallaby warrior wasp wildcat wolf wolverine",
        "game games match team teams league nfl nhl nba mlb afl ncaa football soccer baseball basketball hockey "
        "rugby softball lacrosse season stadium arena score goal coach player players fans playoff cup championship "
        "versus field quarterback pitcher inning tailgate homecoming cheerleader",
    ),
    "band": (
        "animal arch beetle bird bush cake cardigan cranberry cricket crow cure deer door eagle foal fox garbage "
        "gorilla hole horse kink knife monkey mouse nail orb owl pixie pumpkin scorpion shin stone stripe swan tool "
        "train turtle wall whale wolf zombie",
        "band bands concert concerts gig live music musician rock metal punk indie tour festival stage guitar bass "
        "drums singer song album show performance club fans",
    ),
    "dish": (
        "anchovy bass beef beet bean cabbage calf carp carrot catfish chicken chili chive clam cod corn crab "
        "crayfish cucumber duck eel fish garlic ginger goat goose grouse haddock halibut herring lamb leek lemon "
        "lettuce lobster mackerel mushroom mussel octopus olive onion oyster pea pepper perch pheasant pig "
        "pineapple potato prawn pumpkin quail rabbit radish rice salmon sardine scallop shrimp snail snapper "
        "spinach squash squid swordfish tomato trout tuna turkey turnip veal venison walnut",
        "recipe dinner lunch breakfast supper meal restaurant cafe menu dish cook cooked cooking chef kitchen grill "
        "grilled roast roasted fried fry baked bake barbecue bbq steam soup stew curry salad sauce sandwich pie "
        "burger pizza pasta noodle rice chips spicy delicious tasty yummy eat eating eaten ate food plate bowl "
        "stall served sushi taco wine beer teaspoon tablespoon cup",
    ),
}
"""What animals, plants and things give their names to: which do, and words that stand near then."""
NAMED_AFTER = frozenset(
    "ave avenue bay beach boulevard bridge brook canyon cape castle cave city club college company county cove "
    "creek district drive falls farm farms festival field fields forest glen gorge grove harbor harbour heights "
    "highway hill hills hotel hut inn island islands lake lane lodge mansion meadow meadows mill mine mount "
    "mountain mountains pass peak place plaza point pond pub ranch rapids range ridge river road rock rocks school "
    "sound square springs st station street summit town trail university valley village vineyard".split()
)
"""A word before these is mostly part of a name: "bear lake"."""
NAMED_WITH = frozenset("cape fort glen lake mount mt port saint san santa sao st".split())
"""A word after these is mostly part of a name: "mount rose"."""
