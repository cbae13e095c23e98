package jsonx

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// Numbers of few digits have a way of their own, which reads and writes what
// strconv does.
func TestShortNumbers(t *testing.T) {
	check := func(text string) {
		t.Helper()
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got := NewDecoder([]byte(text)).Float(); math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%s is read as %v, not %v", text, got, want)
		}
		var e Encoder
		if got, want := string(e.Float(want).B), strconv.FormatFloat(want, 'g', -1, 64); got != want {
			t.Errorf("%s is written as %s, not %s", text, got, want)
		}
	}
	for i := range int64(2_000_000) {
		if i < 20_000 || i%997 == 0 {
			check(strconv.FormatFloat(float64(i)/1000, 'f', 3, 64))
			check(strconv.FormatFloat(float64(i)/1000, 'f', -1, 64))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		f := random.Float64() * math.Pow(10, float64(random.IntN(30)-12))
		for _, digits := range []int{-1, random.IntN(14)} {
			check(strconv.FormatFloat(f, 'f', digits, 64))
		}
		check(strconv.FormatFloat(f, 'g', -1, 64))
		near := float64(random.IntN(1_000_000)) / 1000
		check(strconv.FormatFloat(math.Nextafter(near, 1000), 'g', -1, 64))
		check(strconv.FormatFloat(math.Nextafter(near, -1), 'g', -1, 64))
	}
	for _, text := range []string{"0", "-0", "0.0", "-0.0", "1", "-1.5", "999.999", "1000", "0.0005", "0.9995", "999.9995", "123456789012345", "1234567890.12345", "9007199254740993", "0.1e1", "1e-3", "5e-324", "1.7976931348623157e308"} {
		check(text)
	}
	for text, want := range map[string]int64{"7": 7, "5.0": 5, "1e3": 1000, "123456789012345678": 123456789012345678, "-3": -3} {
		if got := NewDecoder([]byte(text)).Int(); got != want {
			t.Errorf("%s is read as %d", text, got)
		}
	}
	if d := NewDecoder([]byte("5.5")); d.Int() != 0 || d.Err() == nil {
		t.Error("5.5 is read as a whole number")
	}
}
