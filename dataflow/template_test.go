package dataflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

// columns is the place of runes of a text that starts at the first column.
func columns(from, to int) dataflow.Span {
	return dataflow.Span{File: "a.star", Start: dataflow.Pos{Line: 1, Col: from + 1}, End: dataflow.Pos{Line: 1, Col: to + 1}}
}

// parsed renders what ParseTemplate makes of a text.
func parsed(s string) string {
	v, diags := dataflow.ParseTemplate(s, columns)
	var b strings.Builder
	switch x := v.(type) {
	case string:
		fmt.Fprintf(&b, "%q", x)
	case dataflow.Ref:
		b.WriteString(x.String())
	case *dataflow.Template:
		for _, p := range x.Parts {
			if r, ok := p.(dataflow.Ref); ok {
				fmt.Fprintf(&b, "<%s>", r)
			} else {
				fmt.Fprintf(&b, "%q", p)
			}
		}
	}
	for _, d := range diags {
		fmt.Fprintf(&b, " %s %s", d.Code, d.Message)
	}
	return b.String()
}

func TestParseTemplate(t *testing.T) {
	for in, want := range map[string]string{
		"":                        `""`,
		"plain $ {text}":          `"plain $ {text}"`,
		"${input.email}":          `${input.email}`,
		"${ input.email }":        `${input.email}`,
		"${input}":                `${input}`,
		"${who.record.id}":        `${who.record.id}`,
		"${a.list[0].name[12]}":   `${a.list[0].name[12]}`,
		"${env.HOME}":             `${env.HOME}`,
		"${ctx.user.id}":          `${ctx.user.id}`,
		"${order-lines.count}":    `${order-lines.count}`,
		"a ${input.x} b ${n.y}":   `"a "<${input.x}>" b "<${n.y}>`,
		"${input.x}${input.y}":    `<${input.x}><${input.y}>`,
		"$${input.x}":             `"${input.x}"`,
		"$$${input.x}":            `"$${input.x}"`,
		"cost $${a} ${input.b}":   `"cost ${a} "<${input.b}>`,
		"${input.x":               `"${input.x" FC310 a reference that starts with "${" has no closing "}"`,
		"${}":                     `${} FC310 the reference ${} can't be read: it does not start with a name`,
		"${input.}":               `${} FC310 the reference ${input.} can't be read: a point must be followed by a name`,
		"${input.a[x]}":           `${} FC310 the reference ${input.a[x]} can't be read: an index is a whole number in brackets`,
		"${input.a[-1]}":          `${} FC310 the reference ${input.a[-1]} can't be read: an index is a whole number in brackets`,
		"${input.a[}":             `${} FC310 the reference ${input.a[} can't be read: an index is a whole number in brackets`,
		"${input.a b}":            `${} FC310 the reference ${input.a b} can't be read: a name or an index must follow a point or a bracket`,
		"${env}":                  `${} FC310 the reference ${env} can't be read: env needs a name behind it`,
		"${input.a} and ${.b} é":  `<${input.a}>" and "<${}>" é" FC310 the reference ${.b} can't be read: it does not start with a name`,
		"${1+1}":                  `${} FC310 the reference ${1+1} can't be read: a name or an index must follow a point or a bracket`,
		"${f('x')} ${input['a']}": `<${}>" "<${}> FC310 the reference ${f('x')} can't be read: a name or an index must follow a point or a bracket FC310 the reference ${input['a']} can't be read: an index is a whole number in brackets`,
	} {
		if got := parsed(in); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
	}
}

func TestTemplateSpansAreExact(t *testing.T) {
	v, _ := dataflow.ParseTemplate("ab ${input.x} cd ${n.y}", columns)
	tpl := v.(*dataflow.Template)
	var got []string
	for _, p := range tpl.Parts {
		if r, ok := p.(dataflow.Ref); ok {
			got = append(got, fmt.Sprint(r.Span.Start.Col, "-", r.Span.End.Col))
		}
	}
	if strings.Join(got, " ") != "4-14 18-24" {
		t.Error(got)
	}
	if tpl.Span != columns(0, 23) {
		t.Error(tpl.Span)
	}
}

func FuzzParseTemplate(f *testing.F) {
	for _, s := range []string{"${input.x}", "a $${b} ${c.d[1]}", "${", "${a[9999999999999999999]}", "é${é.ü}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := len(s)
		v, diags := dataflow.ParseTemplate(s, func(from, to int) dataflow.Span {
			if from < 0 || to < from || to > n {
				t.Fatalf("%q: span %d to %d", s, from, to)
			}
			return dataflow.Span{}
		})
		if len(diags) > 0 {
			return
		}
		ref, ok := v.(dataflow.Ref)
		if !ok {
			return
		}
		again, diags := dataflow.ParseTemplate(ref.String(), columns)
		if r, ok := again.(dataflow.Ref); !ok || len(diags) > 0 || r.String() != ref.String() {
			t.Fatalf("%q became %s, then %v", s, ref, again)
		}
	})
}
