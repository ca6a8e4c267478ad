package auth

import "time"

// Hurry sets how long an issuer's answer may take.
func (s *KeySets) Hurry(d time.Duration) { s.time = d }
