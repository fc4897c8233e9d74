"""Stands in for every certificate, key and trust bundle of a configuration that is only validated.

Kept as text, because the cryptography library alone is a twentieth of what ``check`` costs. The key is
``testECCP256`` of RFC 9500, section 2.3: known to everybody, for tests only. Certificate and list of revoked
certificates are its own (self-signed, none revoked), valid until the year 9999.
"""

_KEY = """\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIObLW92AqkWunJXowVR2Z5/+yVPBaFHnEedDk5WJxk/BoAoGCCqGSM49
AwEHoUQDQgAEQiVI+I+3gv+17KN0RFLHKh5Vj71vc75eSOkyMsxFxbFsTNEMTLjV
uKFxOelIgsiZJXKZNCX0FBmrfpCkKklCcg==
-----END EC PRIVATE KEY-----
"""
_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBnDCCAUKgAwIBAgICJRwwCgYIKoZIzj0EAwIwKTEnMCUGA1UEAwwec3RhbmQt
aW4sIGZvciB2YWxpZGF0aW9uIGFsb25lMCAXDTIzMTEwMTAwMDAwMFoYDzk5OTkx
MjMxMjM1OTU5WjApMScwJQYDVQQDDB5zdGFuZC1pbiwgZm9yIHZhbGlkYXRpb24g
YWxvbmUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARCJUj4j7eC/7Xso3REUscq
HlWPvW9zvl5I6TIyzEXFsWxM0QxMuNW4oXE56UiCyJklcpk0JfQUGat+kKQqSUJy
o1gwVjAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQEAwIBhjAdBgNVHQ4EFgQU
W3CnmBf3n/Y30vfj3ERsIQnXu9QwFAYDVR0RBA0wC4IJbG9jYWxob3N0MAoGCCqG
SM49BAMCA0gAMEUCIQDKExyuVe7fzAPQmJxWVTQUIvZOgei/WoSapabTcviiDAIg
BcNvcy7GpDVyUIQi4+fEfHkyz3WrGkT4LPWRBD2p+Js=
-----END CERTIFICATE-----
"""
STAND_IN_REVOCATIONS = """\
-----BEGIN X509 CRL-----
MIHkMIGLAgEBMAoGCCqGSM49BAMCMCkxJzAlBgNVBAMMHnN0YW5kLWluLCBmb3Ig
dmFsaWRhdGlvbiBhbG9uZRcNMjMxMTAxMDAwMDAwWhgPOTk5OTEyMzEyMzU5NTla
oC8wLTAfBgNVHSMEGDAWgBRbcKeYF/ef9jfS9+PcRGwhCde71DAKBgNVHRQEAwIB
ATAKBggqhkjOPQQDAgNIADBFAiAer6AJkiU/9v85gQ2ViIo2n04lZLUtxp3fsLly
SXe08wIhAO+9vThYKZjr05DlKijH5gEzadOGA7rfwkdbUdFhNKIe
-----END X509 CRL-----
"""
STAND_IN_PAIR = _CERTIFICATE + _KEY
