"""What people write, as typed values: one module for each kind of resource.

Istio's kinds carry every field of the custom resource definitions of Istio 1.32-dev (``v1alpha3``,
``v1beta1`` and ``v1`` are equal), including the fields that a proxy fed from files cannot use, so that
nothing is dropped silently. Attributes follow protobuf: a text, a number or a list that is not written has
its zero value, an object or a member of a choice that is not written is ``None``. ``model_fields_set`` tells
absent from zero.
"""
