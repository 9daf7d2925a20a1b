from .bertviz import attention as attention
from .sentences import layer_relations as layer_relations, word_relations as word_relations
