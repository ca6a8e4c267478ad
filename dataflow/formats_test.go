package dataflow

import "testing"

func TestFormats(t *testing.T) {
	cases := map[string]struct{ good, bad []string }{
		"email":      {[]string{"a@b.co", "first.last+tag@sub.example.org"}, []string{"", "a", "a@b", "a@b.", "Ada <a@b.co>", "a b@c.de", "a@-b.co"}},
		"url":        {[]string{"https://example.org", "http://a.b/c?d=e#f"}, []string{"", "example.org", "ftp://a.b", "https://", "https://a b"}},
		"uri":        {[]string{"urn:isbn:0451450523", "mailto:a@b.co"}, []string{"", "a/b", "urn: x"}},
		"hostname":   {[]string{"a", "api.example.org", "x-1.y"}, []string{"", "-a", "a..b", "a_b", "münchen.de"}},
		"ipv4":       {[]string{"192.0.2.1"}, []string{"", "1.2.3", "1.2.3.256", "::1"}},
		"ipv6":       {[]string{"::1", "2001:db8::1"}, []string{"", "1.2.3.4", "fe80::1%eth0"}},
		"phone":      {[]string{"+442079460000"}, []string{"", "+", "0044207", "+0123", "+44 20"}},
		"slug":       {[]string{"a", "blue-shirt-2"}, []string{"", "-a", "a-", "a--b", "A", "a_b"}},
		"country":    {[]string{"NL"}, []string{"", "nl", "NLD"}},
		"currency":   {[]string{"EUR"}, []string{"", "eur", "EU"}},
		"cidr":       {[]string{"10.0.0.0/8"}, []string{"", "10.0.0.0", "10.0.0.0/33"}},
		"identifier": {[]string{"a_1", "_x"}, []string{"", "1a", "a-b"}},
		"color":      {[]string{"#00ffAA"}, []string{"", "00ffaa", "#00ffa", "#00ffag"}},
	}
	for _, f := range Formats() {
		c, ok := cases[f.Name]
		if !ok {
			t.Errorf("%s: no cases", f.Name)
		}
		for _, s := range c.good {
			if !f.Match(s) {
				t.Errorf("%s: refuses %q", f.Name, s)
			}
		}
		for _, s := range c.bad {
			if f.Match(s) {
				t.Errorf("%s: accepts %q", f.Name, s)
			}
		}
	}
	if MatchFormat("emial", "a@b.co") {
		t.Error("an unknown format matches")
	}
}
