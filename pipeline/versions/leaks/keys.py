"""Keys of services: API keys, tokens, webhooks, private keys and passwords in addresses, by the forms that issuers publish.

A key is random, so what stands for one in a manual is told by its words (`your`, `placeholder`) or by a sign that is repeated
(`xxxxxxxx`).
"""

from __future__ import annotations

import re

from pipeline.versions.leaks import check_digits
from pipeline.versions.leaks.places import Finding, Places, disjoint

# `sk-` begins the keys of many makers, and addresses that are about SK hynix or SK On.  What tells them apart is that keys are
# random and addresses made of words (0 of 75,000 titles and sentences taken for keys; 1 in 1,000 random keys missed, 1 in 20 of
# LiteLLM's, which are short and may hold hyphens):
# twenty letters and digits in a row, both kinds among them
_RUN = r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{20}"
# Letters and digits, small and capital letters that take turns four times, close to each other.
_MIXED = r"(?=[A-Za-z_-]{0,80}\d)(?:[\w-]{0,15}?(?:[A-Za-z](?=\d)|\d(?=[A-Za-z])|[a-z](?=[A-Z]))){4}"
# A word or number between hyphens at the beginning, as in sk-on-2q26-hbm4e: what follows is an address, also where it ends with
# a digest of the article.
_WORDS = r"(?:[A-Za-z][a-z]+|[A-Z]{2,}|\d{2,})[_-]|[\w-]{0,20}[_-](?:[A-Za-z]?[a-z]{3,}|[A-Z]{4,}|\d{4,})[_-]"
# Not a word, nor words: a digit and letters of both sizes, in a run of letters and digits, or with others between them.
_RANDOM = r"(?=[A-Za-z]*\d)(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])"
_RANDOM_OF_TWO = r"(?=[A-Za-z_-]*\d)(?=[a-z0-9_-]*[A-Z])(?=[A-Z0-9_-]*[a-z])"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SK = rf"""\bsk-(?:
    (?:proj|svcacct|admin|None|ant(?:-[a-z]{{2,12}}\d\d)?|or(?:-v\d)?)-(?=[A-Za-z0-9]{{20}}|{_MIXED})[\w-]{{20,}}
    |lf-[0-9a-f]{{8}}-[0-9a-f-]{{27}}
    |(?:[a-z]{{2,8}}-){{1,2}}(?=[A-Za-z0-9]*[A-Z])(?=[A-Za-z0-9]*[a-z]){_RUN}[\w-]*  # a maker that is not known here
    |(?={_RUN}|[A-Za-z0-9]{{40}}|(?!{_WORDS}){_MIXED})[\w-]{{20,}}
)"""
# `user:password@` of an address; a password that is a word for one, or to be put in, is none.
_PASSWORD = r"""[a-z][a-z0-9+.-]{1,20}://[^\s/:@?#"'<>]{0,64}:
    (?!(?i:(?:my|your)?[_-]?(?:password|passwd|pass|pwd)|change_?me|x+|\*+|\.+)@)(?![$<{\[%])
    [^\s/@"'<>]{1,128}@[A-Za-z0-9\[][A-Za-z0-9.:-]*"""
# A value that is given to a name of a secret: random, or hexadecimal and long.
_NAME = r"(?i:secret|token|passw(?:or)?d|(?:api|access|account|subscription|auth|license)[ _-]?key)"
_GIVEN = r"""(?i:[A-Za-z_-]{0,20})["']?\ {0,2}(?::=|=>|=|:)\ {0,2}["']?(?:(?i:bearer|basic|token)\ )?"""
_ASSIGNED = rf"""{_NAME}{_GIVEN}(?:
    (?=[\w/+.~-]*[a-z])(?=[\w/+.~-]*[A-Z])(?=(?:[\w/+.~-]*?\d){{2}})(?![\w.-]*(?:://|/[a-z]{{3,}}/))
        [A-Za-z0-9][\w/+.~-]{{19,}}={{0,2}}
    |(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{{32,}}(?![\w-])
)"""
# The password of a database's connection string, or of a command line.
_NO_PASSWORD = r"(?!(?i:(?:my|your)?[_-]?(?:password|passwd|pass|pwd))\b|\$|\*|<|\{|\[|%)"
_OF_DATABASE = rf"""(?i:(?:user(?:\ ?id|name)?|uid)=[^;&\s"'=]{{1,64}}[;&]\ ?(?:password|pwd)=){_NO_PASSWORD}
    (?=[^;&\s"']*\d)[^;&\s"']{{6,128}}"""
_OF_COMMAND = (
    rf"""curl\ [^\n]{{0,60}}?(?:-u|--user)[\ =]["']?[\w.@+-]{{1,64}}:{_NO_PASSWORD}(?=[^\s"']*\d)[^\s"']{{8,}}"""
)
_WALLET = r"[5KL][1-9A-HJ-NP-Za-km-z]{50,51}"  # of bitcoins, by its check digits
_BEARER = r"(?i:authorization)[\"']?\ ?[:=]\ ?[\"']?(?i:bearer|basic|token|bot)\ (?=[\w/+.~-]*\d)[\w/+.~-]{20,}={0,2}"

# (marks, one of which stands in a place that holds the form; the form).  \b before each, where it does not begin with a sign.
_TOKENS: list[tuple[str, str]] = [
    # models
    ("gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    ("xai-", r"xai-[A-Za-z0-9]{60,}"),
    ("pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    ("nvapi-", r"nvapi-[\w-]{50,}"),
    ("r8_", r"r8_[A-Za-z0-9]{37}"),
    ("hf_ api_org_", r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    ("fw_", r"fw_[A-Za-z0-9]{22,}"),
    ("tgp_v", r"tgp_v\d_[\w-]{30,}"),
    ("csk-", r"csk-[a-z0-9]{40,}"),
    ("jina_", r"jina_[A-Za-z0-9]{32}[\w-]{20,}"),
    ("tvly-", r"tvly-(?:dev-|prod-)?(?=[\w-]*\d)[\w-]{20,}"),
    ("lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    ("pcsk_", r"pcsk_\w{50,}"),
    ("wandb_v", r"wandb_v\d_\w{40,}"),
    ("dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    ("rpa_", r"rpa_[A-Za-z0-9]{40,}"),
    ("fc-", r"fc-[0-9a-f]{32}"),
    ("pa-", r"pa-(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]{43}(?![\w-])"),
    ("sk_", r"sk_[0-9a-f]{48}"),
    ("AZOpenAI JQQJ99", r"[A-Za-z0-9]{40,60}(?:AZOpenAI|JQQJ99)[A-Za-z0-9]{10,40}"),
    ("ls__", r"ls__[0-9a-f]{32}"),
    ("e2b_", r"e2b_[0-9a-f]{40}"),
    ("aio_", r"aio_[A-Za-z0-9]{28}(?![A-Za-z0-9])"),
    ("apify_api_", r"apify_api_[A-Za-z0-9]{30,}"),
    ("as- ak-", rf"a[sk]-{_RANDOM}[A-Za-z0-9]{{22}}(?![\w-])"),
    # code and packages
    ("ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,}"),
    ("github_pat_", r"github_pat_\w{22,}"),
    ("glpat- gldt- glrt- glcbt- glptt- glft- glsoat- glimt- glagent- gloas- glffct- glwt-",
     r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas|ffct|wt)-(?=[\w.-]*\d)[\w.-]{20,}"),
    ("GR1348941", r"GR1348941[\w-]{20,}"),
    ("npm_", r"npm_[A-Za-z0-9]{36,}"),
    ("pypi-AgE", r"pypi-AgE[\w-]{30,}"),
    ("rubygems_", r"rubygems_[0-9a-f]{48}"),
    ("oy2", r"oy2[a-z0-9]{43}"),
    ("cio", r"cio[A-Za-z0-9]{32}"),
    ("CLOJARS_", r"CLOJARS_[a-z0-9]{60}"),
    ("dckr_", r"dckr_(?:pat|oat)_[\w-]{27,}"),
    ("ATATT3 ATCTT3 ATBB", r"(?:ATATT3[\w=-]{80,}|ATCTT3[\w=-]{80,}|ATBB[A-Za-z0-9]{32})"),
    ("AKC", r"AKC[a-zA-Z0-9]{60,}"),
    ("PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("sqp_ squ_ sqa_", r"sq[pua]_[0-9a-f]{40}"),
    ("sgp_", r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}"),
    ("figd_", r"figd_[\w-]{38,}"),
    ("lin_api_ lin_oauth_", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,}"),
    ("ntn_", r"ntn_\d{6,}[A-Za-z0-9]{30,}"),
    ("secret_", r"secret_[A-Za-z0-9]{43}(?![A-Za-z0-9])"),
    ("pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    ("phx_", r"phx_[A-Za-z0-9]{40,}"),
    ("sntry", r"(?:sntryu_[0-9a-f]{64}|sntrys_eyJ[\w+/=-]{40,})"),
    ("glsa_ glc_", r"(?:glsa_[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}|glc_eyJ[\w+/=-]{40,})"),
    ("NRAK- NRII- NRIQ-", r"(?:NRAK-[A-Z0-9]{27}|NRI[IQ]-[\w-]{32})"),
    ("bkua_ bkat_ bkaj_ bkct_", r"bk(?:ua|at|aj|ct)_[0-9a-f]{40}"),
    ("CCIPAT_ CCIPRJ_", r"CCI(?:PAT|PRJ)_[A-Za-z0-9]{22}_[0-9a-f]{40}"),
    ("cmVmd", r"cmVmd[A-Za-z0-9]{59}(?![A-Za-z0-9])"),
    ("snyk_", r"snyk_[us]at\.[0-9a-f]{8}\.[\w.-]{40,}"),
    ("API-", r"API-(?=[A-Z]*\d)[A-Z0-9]{26,31}(?![\w-])"),
    ("pat. sat.", r"[ps]at\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}"),
    ("api- sdk-", rf"(?:api|sdk)-{_UUID}"),
    ("ATTA", r"ATTA[0-9A-Fa-f]{72}"),
    ("pk_", r"pk_(?:\d{6,9}_[A-Z0-9]{32}|[0-9a-f]{34}(?![A-Za-z0-9]))"),
    ("CFPAT-", r"CFPAT-[\w-]{43}"),
    ("dnkey-", r"dnkey-[a-z0-9=_-]{26}-[a-z0-9=_-]{52}"),
    ("fio-u-", r"fio-u-[\w=-]{64}"),
    ("ico-", r"ico-[A-Za-z0-9]{32}(?![\w-])"),
    ("mka_", r"mka_[A-Za-z0-9]{40,}"),
    (".acc-", r"(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc-[a-z0-9-]{10,32}\.[\w+/=-]{30,}"),
    ("s-s4t2", r"s-s4t2(?:ud|af)-[0-9a-f]{64}"),
    # clouds
    ("AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?![0-9A-Za-z])"),
    ("ABSK", r"ABSK[A-Za-z0-9+/]{80,}={0,2}"),
    ("AIza", r"AIza[0-9A-Za-z_-]{35}"),
    ("GOCSPX-", r"GOCSPX-[\w-]{20,}"),
    ("ya29.", r"ya29\.[\w-]{30,}"),
    ("1//0", r"1//0[\w-]{40,}"),
    (":APA91b", r"[\w-]{11}:APA91b[\w-]{100,}"),
    ("Q~", r"[\w~.-]{3}\dQ~[\w~.-]{31,34}"),
    ("Key=", r"(?:Account|SharedAccess|Access)Key=[A-Za-z0-9+/]{43,86}={1,2}"),
    ("sig=", r"sig=(?=[\w%+/-]*\d)[A-Za-z0-9+/]{20}[A-Za-z0-9%+/]{15,}(?:%3[Dd]|=)"),
    ("+ASt +AMC ACDb AzSe AzFu AzCa AZDO", r"[A-Za-z0-9+/]{33,76}(?:\+ASt|\+AMC|ACDb|AzSe|AzFu|AzCa|AZDO)[A-Za-z0-9+/]{4,8}={0,2}"),
    ("dop_v dor_v doo_v", r"do[opr]_v\d_[0-9a-f]{64}"),
    ("HRKU-", r"HRKU-[\w-]{36,}"),
    ("fo1_ FlyV1", r"(?:fo1_[\w-]{43}|FlyV1 fm\d[\w/+=,-]{60,})"),
    ("v1.0-", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}"),
    ("cfut_ cfat_ cfk_", r"cf(?:ut|at|k)_[\w-]{40,}"),
    ("nfp_", r"nfp_[A-Za-z0-9]{36,}"),
    ("rnd_", r"rnd_[A-Za-z0-9]{28,}"),
    ("vercel_ vcp_ vck_ vci_", r"(?:vercel_blob_rw_\w{30,}|vc[pki]_[A-Za-z0-9]{24,})"),
    ("sbp_ sb_secret_", r"(?:sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,})"),
    ("pscale_", r"pscale_(?:tkn|pw|oauth)_[\w.=-]{32,}"),
    ("hvs. hvb. hvr.", r"hv[sbr]\.(?=[\w-]*\d)[\w-]{24,}"),
    (".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{50,}"),
    ("dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    ("ops_eyJ", r"ops_eyJ[\w+/=-]{100,}"),
    ("tskey-", r"tskey-[a-z]+-[A-Za-z0-9]{6,}(?:CNTRL)?-[A-Za-z0-9]{10,}"),
    ("pul-", r"pul-[0-9a-f]{40}"),
    ("pnu_", r"pnu_[A-Za-z0-9]{36}"),
    ("AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    ("LTAI", r"LTAI[A-Za-z0-9]{16,20}(?![A-Za-z0-9])"),
    ("AKID", r"AKID[A-Za-z0-9]{32}(?![A-Za-z0-9])"),
    ("AQVN t1. y0_", r"(?:AQVN[\w-]{35,38}|y[0-3]_[\w-]{50,}|t1\.[\w-]+={0,2}\.[\w-]{86}={0,2})"),
    ("dt0c01.", r"dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    ("sha256~", r"sha256~[\w-]{43}(?![\w-])"),
    ("SWMTKN-1-", r"SWMTKN-1-[a-z0-9]{50}-[a-z0-9]{25}"),
    ("token-", r"token-[a-z0-9]{5}:[a-z0-9]{54}"),
    ("rivateKey rivate_key RIVATE_KEY PresharedKey",
     r"""(?:\w{0,20}_)?(?:[Pp]rivate_?[Kk]ey|PRIVATE_KEY|PresharedKey)["']? ?[=:] ?["']?[A-Za-z0-9+/]{43}="""),
    ("tk-us-", r"tk-us-[\w-]{48}"),
    ("napi_", r"napi_[a-z0-9]{64}"),
    ("xau_", r"xau_[A-Za-z0-9]{40,}"),
    ("zpka_", r"zpka_[a-z0-9]{32}_[0-9a-f]{8}"),
    ("unkey_", rf"unkey_{_RANDOM}[A-Za-z0-9]{{20,}}"),
    ("signkey-", r"signkey-(?:prod|test|branch)-[0-9a-f]{64}"),
    ("4b1d", r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])"),
    ("mdb_sa_sk_", r"mdb_sa_sk_[\w-]{40}"),
    ("ncp_iam_", r"ncp_iam_[A-Za-z0-9]{16,}"),
    ("A3-", r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}(?![\w-])"),
    ("sm_aat_ sm_pat_ sm_sat_", r"sm_[aps]at_[A-Za-z0-9]{16}"),
    ("st.", r"st\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}"),
    # messages and mail
    ("xox xoxe.", r"xox(?:[abcdprs]|o(?=-\d)|e(?:\.xox[bp])?)-(?=[\w-]*\d)[A-Za-z0-9-]{10,}"),
    ("xapp-", r"xapp-\d-[A-Z0-9]+-\d+-[A-Za-z0-9]{20,}"),
    ("hooks.slack",
     r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Z][A-Z0-9]{6,}/[A-Z0-9]{6,}/(?:\d+/)?[A-Za-z0-9]{16,}"),
    ("/webhooks/", r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{15,20}/[\w-]{50,}"),
    (".webhook.office.com",
     r"[\w-]+\.webhook\.office\.com/webhookb2/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f]{32}/[0-9a-f-]{36}"),
    ("hooks.zapier", r"hooks\.zapier\.com/hooks/catch/\d+/[A-Za-z0-9]{5,}"),
    ("qyapi.weixin", rf"qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key={_UUID}"),
    ("/bot/v2/hook/", rf"open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/{_UUID}"),
    ("maker.ifttt", r"maker\.ifttt\.com/(?:use|trigger/[^\s?\#]{1,80}/with/key)/[\w-]{20,}"),
    ("re_", rf"re_{_RANDOM_OF_TWO}[A-Za-z0-9]{{8}}_[A-Za-z0-9]{{24}}(?![A-Za-z0-9])"),
    ("mlsn.", r"mlsn\.[0-9a-f]{64}"),
    ("pat-", rf"pat-[a-z]{{2}}\d-{_UUID}"),
    ("dG9rO", r"dG9rO[A-Za-z0-9+/]{40,}={0,2}"),
    ("KEY", r"KEY[0-9A-F]{32}_[A-Za-z0-9]{22}"),
    ("mfa.", r"mfa\.[\w-]{84}"),
    ("oauth:", r"oauth:[a-z0-9]{30}(?![A-Za-z0-9])"),
    ("IGQ IGAA", r"IG(?:Q[VW]|AA)[\w-]{100,}"),
    ("1000.", r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}"),
    (".", r"[MNO][A-Za-z0-9_-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w.-])"),
    (":AA", r"(?:bot)?\d{8,10}:AA[\w-]{32,34}(?![\w-])"),
    ("SG.", r"SG\.[\w-]{16,32}\.[\w-]{16,64}"),
    ("SK", r"SK[0-9a-f]{32}(?![0-9a-f])"),
    ("key-", r"key-[0-9a-f]{32}(?![0-9a-f])"),
    ("-us", r"[0-9a-f]{32}-us\d{1,2}(?!\d)"),
    ("xkeysib- xsmtpsib-", r"x(?:key|smtp)sib-[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    ("EAA", r"EAA[A-Za-z0-9]{80,}"),
    ("AAAAAAAAAAAAA", r"AAAAAAAAAAAAA[A-Za-z0-9%]{80,}"),
    # money and shops
    ("sk_live_ sk_test_ rk_live_ rk_test_ sk_org_", r"(?:sk|rk)_(?:live|test|org)_(?:live_|test_)?[A-Za-z0-9]{16,}"),
    ("live_sk_ test_sk_ live_gsk_ test_gsk_", r"(?:live|test)_g?sk_[A-Za-z0-9]{20,}"),
    ("whsec_", r"whsec_[A-Za-z0-9+/]{24,}={0,2}"),
    ("sq0 EAAA", r"(?:sq0(?:atp|csp|idp)-[\w-]{22,43}|EAAA[\w-]{60}(?![\w-]))"),
    ("shp", r"shp(?:at|ca|pa|ss|ua)_[0-9A-Fa-f]{32}"),
    ("access_token$", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    ("access-", r"access-(?:sandbox|development|production)-[0-9a-f]{8}-[0-9a-f-]{27}"),
    ("EZ", r"EZ[AT]K[A-Za-z0-9]{54}"),
    ("shippo_", r"shippo_(?:live|test)_[0-9a-f]{40}"),
    ("sk_", r"sk_(?:sbox_(?=[a-z]*[2-7])[a-z2-7]{26}[a-z2-7*\#$=]|(?=[a-z]*[2-7])[a-z2-7]{26}[*\#$=])"),
    ("FLWSECK", r"FLWSECK(?:_TEST)?-[0-9a-z]{32}-X"),
    ("duffel_", r"duffel_(?:live|test)_[\w=-]{43}"),
    ("live_ test_", rf"(?:live|test)_(?:[0-9a-f]{{35}}(?![\w-])|{_RANDOM_OF_TWO}(?={_MIXED})[\w-]{{40,43}}(?![\w-]))"),
    ("polar_", r"polar_[a-z]{2,4}_(?:[a-z]_)?[A-Za-z0-9]{32,}"),
    ("secret-", r"secret-(?:live|test)-[\w-]{35}="),
    ("api_live api_sandbox", r"api_(?:live|sandbox)(?:_[a-z]{2})?\.[\w-]{11}\.[\w-]{32}"),
    ("prv", r"[xyzt]prv[1-9A-HJ-NP-Za-km-z]{107}"),
    ("nsec1", r"nsec1[02-9ac-hj-np-z]{58}"),
    # others
    ("eyJ", r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    ("sk.eyJ", r"sk\.eyJ[\w-]{40,}\.[\w-]{20,}"),
    ("sl.", r"sl\.(?:u\.)?[\w-]{120,}"),
    ("tfp_", r"tfp_[\w.-]{50,}"),
    ("rdme_", r"rdme_[a-z0-9]{70}"),
    ("p8e-", r"p8e-[a-z0-9]{32}"),
    ("_mmk", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    ("sk", r"sk(?=[A-Za-z]*\d)(?=[a-z0-9]*[A-Z])[A-Za-z0-9]{80,}"),
    (":", rf"(?:[0-9a-f]{{24}}:[0-9a-f]{{64}}|{_UUID}:[0-9a-f]{{32}}|[12]/\d{{16}}(?:/\d{{16}})?:[0-9a-f]{{32}})(?![A-Za-z0-9])"),
]  # fmt: skip
# Anywhere in the text: there may be no key behind it.
_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----|PuTTY-User-Key-File-\d:"
)
BLOCK_MARKS = ("---- BEGIN ", "-----BEGIN ", "PuTTY-User")

_Form = tuple[tuple[str, ...], re.Pattern[str]]


def _form(marks: str, pattern: str) -> _Form:
    return tuple(marks.split()), re.compile(pattern, re.ASCII | re.VERBOSE)


_FORMS: list[_Form] = [
    _form("sk-", _SK),
    *(_form(marks, r"(?<![\w])" + pattern.replace(" ", r"\ ")) for marks, pattern in _TOKENS),
    _form("://", rf"(?<![A-Za-z0-9+.-]){_PASSWORD}"),
    _form("= : >", _ASSIGNED),
    _form("uthorization UTHORIZATION", _BEARER),
    _form("wd= ord= WD= ORD=", _OF_DATABASE),
    _form("curl", _OF_COMMAND),
    _form('"auth"', r'"auth"\ ?:\ ?"[A-Za-z0-9+/]{28,}={0,2}"'),
    _form("5 K L", rf"(?<!\w){_WALLET}(?!\w)"),
]
_OF_WALLETS = len(_FORMS) - 1
_MARKS = [(mark, number) for number, (marks, _) in enumerate(_FORMS) for mark in marks]
MARKS = tuple(mark for mark, _ in _MARKS)
# Most marks hold a sign or a letter that most places do not.
_SIGNS = ("_", "-", "Z", "Q", "J", "K", "A", "y", ".", "")
_MARKS_OF_SIGN = {
    sign: [(mark, n) for mark, n in _MARKS if sign == next(other for other in _SIGNS if other in mark)]
    for sign in _SIGNS
}
_PLACEHOLDER = re.compile(
    r"[xX*.]{6}|0{8}|(?i:your|my|the|insert|replace|change|enter|paste)[_-]?(?:own[_-]?)?(?i:api|key|token|secret|password|access)"
    r"|(?i:your)[_-]|EXAMPLE(?![A-Z])|(?i:example[_-]?(?:key|token)|placeholder|redacted|dummy|goes[_-]?here|[_-]here\b)"
)


def is_placeholder(value: str) -> bool:
    """Tell whether a value stands for a key, as in a manual."""
    return bool(_PLACEHOLDER.search(value))


def find(places: Places) -> list[Finding]:
    """Return the keys in a text, in order, each once."""
    findings = [Finding("secret", start, end) for start, end in _blocks(places.text)]
    for start, end in places.of_keys():
        window = places.text[start:end]
        for number in _forms_in(window):
            matches = (match.span() for match in _FORMS[number][1].finditer(window) if _is_key(number, match[0]))
            findings += [Finding("secret", start + first, start + last) for first, last in matches]
    return disjoint(findings) if len(findings) > 1 else findings


def _is_key(number: int, value: str) -> bool:
    return not is_placeholder(value) and (number != _OF_WALLETS or check_digits.base58(value))


def _forms_in(window: str) -> set[int]:
    """Return the numbers of the forms of which a mark stands in a place."""
    numbers = set[int]()
    for sign, marks in _MARKS_OF_SIGN.items():
        if sign in window:
            numbers.update([number for mark, number in marks if mark in window])
    return numbers


def _blocks(text: str) -> list[tuple[int, int]]:
    may_have = "BEGIN " in text or "PuTTY-User" in text  # one of BLOCK_MARKS, looked for in two searches
    return [match.span() for match in _BLOCK.finditer(text)] if may_have else []
